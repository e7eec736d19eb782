package broker

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestStress lets publishers, stable subscribers and restless ones loose on a
// broker and checks what arrives: on a stable subscription every publisher's
// messages, each once, in order; in a stable queue group each message once; on
// a restless one nothing that it did not ask for, nothing behind the PONG that
// follows its UNSUB, and each publisher's messages in order.
func TestStress(t *testing.T) {
	for _, plain := range []bool{false, true} {
		t.Run(map[bool]string{false: "sockets", true: "plain"}[plain], func(t *testing.T) {
			cfg := Config{}
			if plain {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				cfg.Listener = hidingListener{l}
			}
			s := &stress{t: t, b: startTest(t, cfg)}
			s.run()
		})
	}
}

// hidingListener hides that its connections are sockets.
type hidingListener struct{ net.Listener }

func (l hidingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return struct{ net.Conn }{conn}, nil
}

const (
	stressPublishers = 4
	stressMessages   = 4000 // of each publisher
	stressSubjects   = 5
	stressMembers    = 3 // of the stable queue group
	stressRestless   = 4
)

type stress struct {
	t *testing.T
	b *Broker

	queued atomic.Int64 // messages that the stable queue group got
	over   atomic.Bool  // the publishers have ended
}

// subjectOf is where publisher p sends its message n.
func subjectOf(p, n int) string { return fmt.Sprintf("s.%d.p%d", n%stressSubjects, p) }

func (s *stress) run() {
	stable := []string{"s.*.*", ">", "s.>", "s.2.*", "s.*.p1"}
	var stableDone, restless, publishers sync.WaitGroup
	for _, pattern := range stable {
		c := s.dial()
		rawFlush(s.t, c.conn, "SUB "+pattern+" 1\r\n")
		stableDone.Go(func() { s.report(c.wantAll(pattern)) })
	}
	queues := make([]*stressConn, stressMembers)
	for i := range queues {
		queues[i] = s.dial()
		pattern := []string{"s.*.*", "s.>", ">"}[i%3]
		rawFlush(s.t, queues[i].conn, "SUB "+pattern+" q 1\r\n")
		stableDone.Go(func() { s.report(queues[i].countQueue(&s.queued)) })
	}
	for i := range stressRestless {
		restless.Go(func() { s.report(s.fidget(rand.New(rand.NewPCG(uint64(i), 7)))) })
	}
	for p := range stressPublishers {
		c := s.dial()
		publishers.Go(func() { s.report(c.publishAll(p)) })
	}
	publishers.Wait()
	s.over.Store(true)
	restless.Wait()
	const want = stressPublishers * stressMessages
	deadline := time.Now().Add(testPatience)
	for tick := time.NewTicker(time.Millisecond); s.queued.Load() < want && time.Now().Before(deadline); <-tick.C {
	}
	for _, q := range queues {
		rawFlushed := q.end()
		s.report(rawFlushed)
	}
	stableDone.Wait()
	if got := s.queued.Load(); got != want {
		s.t.Errorf("the queue group got %d messages, want %d", got, want)
	}
}

func (s *stress) report(err error) {
	if err != nil {
		s.t.Error(err)
	}
}

func (s *stress) dial() *stressConn {
	conn := rawConn(s.t, s.b)
	return &stressConn{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
}

type stressConn struct {
	conn net.Conn
	in   *bufio.Reader
	next [stressPublishers]int // the least number that may come
}

// publishAll sends publisher p's messages, cut anywhere.
func (c *stressConn) publishAll(p int) error {
	r := rand.New(rand.NewPCG(uint64(p), 3))
	var pending strings.Builder
	for n := range stressMessages {
		payload := fmt.Sprintf("%d %d %s", p, n, strings.Repeat("x", r.IntN(300)))
		fmt.Fprintf(&pending, "PUB %s %d\r\n%s\r\n", subjectOf(p, n), len(payload), payload)
		if r.IntN(20) == 0 || n == stressMessages-1 {
			text := pending.String()
			cut := r.IntN(len(text))
			for _, part := range []string{text[:cut], text[cut:]} {
				if _, err := io.WriteString(c.conn, part); err != nil {
					return err
				}
			}
			pending.Reset()
		}
	}
	return nil
}

// message is one line from the broker: a MSG, or another operation.
type message struct {
	op, subject, sid string
	publisher, n     int
}

// read returns the next operation, PINGs answered and left out.
func (c *stressConn) read() (m message, err error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(testPatience))
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return m, err
		}
		f := strings.Fields(line)
		switch f[0] {
		case "PING":
			_, _ = io.WriteString(c.conn, "PONG\r\n")
			continue
		case "MSG":
		default:
			return message{op: strings.TrimSpace(line)}, nil
		}
		size, _ := strconv.Atoi(f[len(f)-1])
		payload := make([]byte, size+2)
		if _, err := io.ReadFull(c.in, payload); err != nil {
			return m, err
		}
		m = message{op: "MSG", subject: f[1], sid: f[2]}
		if _, err := fmt.Sscan(string(payload), &m.publisher, &m.n); err != nil {
			return m, fmt.Errorf("payload %.40q: %w", payload, err)
		}
		if want := subjectOf(m.publisher, m.n); m.subject != want {
			return m, fmt.Errorf("message %d of %d came on %s, want %s", m.n, m.publisher, m.subject, want)
		}
		return m, nil
	}
}

// ordered checks a publisher's order.
func (c *stressConn) ordered(m message) error {
	if m.n < c.next[m.publisher] {
		return fmt.Errorf("message %d of publisher %d came behind %d", m.n, m.publisher, c.next[m.publisher]-1)
	}
	c.next[m.publisher] = m.n + 1
	return nil
}

// wantAll reads all that was published and matches, and no more.
func (c *stressConn) wantAll(pattern string) error {
	left := 0
	var follow [stressPublishers][]int
	for p := range stressPublishers {
		for n := range stressMessages {
			if matches(pattern, subjectOf(p, n)) {
				follow[p] = append(follow[p], n)
				left++
			}
		}
	}
	for ; left > 0; left-- {
		m, err := c.read()
		if err != nil || m.op != "MSG" {
			return fmt.Errorf("%s: %q (error %v) with %d messages to come", pattern, m.op, err, left)
		}
		list := follow[m.publisher]
		if len(list) == 0 || list[0] != m.n {
			return fmt.Errorf("%s: got message %d of publisher %d, want %d", pattern, m.n, m.publisher, list[:min(1, len(list))])
		}
		follow[m.publisher] = list[1:]
	}
	if _, err := io.WriteString(c.conn, "PING\r\n"); err != nil {
		return err
	}
	if m, err := c.read(); m.op != "PONG" {
		return fmt.Errorf("%s: got %v (error %v) behind the last message", pattern, m, err)
	}
	return nil
}

// countQueue counts a member's messages until end.
func (c *stressConn) countQueue(total *atomic.Int64) error {
	for {
		m, err := c.read()
		if err != nil || m.op != "MSG" {
			if m.op == "PONG" {
				return nil
			}
			return fmt.Errorf("queue member: %v (error %v)", m.op, err)
		}
		if err := c.ordered(m); err != nil {
			return err
		}
		total.Add(1)
	}
}

// end makes countQueue return.
func (c *stressConn) end() error {
	_, err := io.WriteString(c.conn, "PING\r\n")
	return err
}
