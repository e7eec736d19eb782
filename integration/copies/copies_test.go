package copies_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"vigil/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var long = flag.Bool("long", false, "more messages, more often")

// Brokers in this process, so that the race detector sees them.
var brokers = map[string]func(t *testing.T) (addr string){
	"vigil": func(t *testing.T) string {
		b, err := broker.Start(broker.Config{Port: broker.RandomPort})
		must(t, err)
		t.Cleanup(func() { must(t, b.Shutdown(context.Background())) })
		return b.Addr().String()
	},
	"vigil, plain connections": func(t *testing.T) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		b, err := broker.Start(broker.Config{Listener: plainListener{l}})
		must(t, err)
		t.Cleanup(func() { must(t, b.Shutdown(context.Background())) })
		return b.Addr().String()
	},
	"nats-server": func(t *testing.T) string {
		s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true})
		must(t, err)
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		return s.Addr().String()
	},
}

// plainListener hides that its connections are sockets, so that the broker
// serves them as it would any other net.Conn.
type plainListener struct{ net.Listener }

// Accept implements net.Listener.
func (l plainListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return struct{ net.Conn }{conn}, err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Every publish is accounted for: per-publisher order, no phantom, no
// duplicate, none lost.
func TestCopies(t *testing.T) {
	messages, times := 5000, 1
	if *long {
		messages, times = 20000, 10
	}
	for name, start := range brokers {
		t.Run(name, func(t *testing.T) {
			for k := range times {
				h := record(t, start(t), messages, uint64(k))
				wrong := h.judge()
				for _, w := range wrong[:min(len(wrong), 10)] {
					t.Error(w)
				}
				if len(wrong) > 0 {
					t.Fatalf("%d copies are wrong", len(wrong))
				}
				copies := 0
				for _, s := range h.spans {
					copies += len(s.copies)
				}
				t.Logf("%d copies to %d subscriptions", copies, len(h.spans))
			}
		})
	}
}

// run is a run while it lasts.
type run struct {
	t        *testing.T
	addr     string
	messages int

	sent, confirmed [publishers]atomic.Int64
	over            atomic.Bool // every message is confirmed

	mu    sync.Mutex
	spans []*span    // guarded by mu
	steps int        // guarded by mu: what the restless have done
	step  *sync.Cond // of mu: steps has grown
}

// leastSteps is what the restless do in a run, spread over it: publishers that
// are ahead of it wait. In between they are as fast as they can be.
const leastSteps = 400

// patterns are what subscriptions ask for.
var patterns = []string{">", "s.>", "s.*.*", "s.2.*", "s.*.p1", "s.3.p0", "*.4.>"}

// record makes a run and returns its history.
func record(t *testing.T, addr string, messages int, seed uint64) *history {
	t.Helper()
	r := &run{t: t, addr: addr, messages: messages}
	r.step = sync.NewCond(&r.mu)
	var stable []*conn
	var listening, restless, publishing sync.WaitGroup
	listen := func(patterns []string, queue string) {
		c := r.stable(patterns, queue)
		stable = append(stable, c)
		listening.Go(func() { r.report(c.untilPong()) })
	}
	listen([]string{">"}, "")
	listen(patterns, "") // overlapping: a copy for each
	listen([]string{">"}, "a")
	listen([]string{"s.>", "s.1.*"}, "a")
	listen([]string{"s.*.*"}, "b")
	for k := range 4 {
		restless.Go(func() {
			r.report(r.fidget(k, rand.New(rand.NewPCG(seed, uint64(k)))))
			r.stepped(leastSteps) // nobody waits for one that failed
		})
	}
	for p := range publishers {
		publishing.Go(func() { r.report(r.publish(p, rand.New(rand.NewPCG(seed, uint64(100+p))))) })
	}
	publishing.Wait()
	r.over.Store(true)
	restless.Wait()
	for _, c := range stable {
		r.report(c.send("PING\r\n"))
	}
	listening.Wait()
	for _, c := range stable {
		c.Close()
	}
	if t.Failed() {
		t.FailNow()
	}
	return &history{messages: messages, spans: r.spans}
}

func (r *run) report(err error) {
	if err != nil {
		r.t.Error(err)
	}
}

// stable returns a connection with subscriptions from the beginning to the end.
func (r *run) stable(patterns []string, queue string) *conn {
	c, err := dial(r.addr)
	must(r.t, err)
	for k, pattern := range patterns {
		all := bounds{to: marks(slices.Repeat([]int{r.messages}, publishers))}
		s := &span{name: fmt.Sprintf("stable %s %s", pattern, queue), pattern: pattern, queue: queue, may: all, must: all}
		c.spans[fmt.Sprint(k)] = s
		r.spans = append(r.spans, s)
		must(r.t, c.send(fmt.Sprintf("SUB %s %s %d\r\n", pattern, queue, k)))
	}
	must(r.t, c.send("PING\r\n"))
	must(r.t, c.untilPong())
	return c
}

func read(counters *[publishers]atomic.Int64) (m marks) {
	for p := range counters {
		m[p] = int(counters[p].Load())
	}
	return m
}

// publish sends publisher p's messages, cut anywhere, and counts the PONGs.
func (r *run) publish(p int, random *rand.Rand) error {
	c, err := dial(r.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	batches := make(chan int, r.messages)
	failed := make(chan error, 1)
	// Owned by publish, which waits for failed; ends with batches.
	go func() {
		defer close(failed)
		for n := range batches {
			if err := c.untilPong(); err != nil {
				failed <- err
				return
			}
			r.confirmed[p].Store(int64(n))
		}
	}()
	for n := 0; n < r.messages; {
		r.awaitSteps(leastSteps * n / r.messages)
		var text strings.Builder
		for range 1 + random.IntN(40) {
			if n == r.messages {
				break
			}
			payload := fmt.Sprintf("%d %d %s", p, n, strings.Repeat("x", random.IntN(200)))
			fmt.Fprintf(&text, "PUB %s %d\r\n%s\r\n", subjectOf(p, n), len(payload), payload)
			n++
		}
		text.WriteString("PING\r\n")
		r.sent[p].Store(int64(n))
		batches <- n
		cut := random.IntN(text.Len())
		if err := c.send(text.String()[:cut]); err != nil {
			return err
		}
		if err := c.send(text.String()[cut:]); err != nil {
			return err
		}
	}
	close(batches)
	return <-failed
}

// fidget opens and ends subscriptions of all kinds until the run is over.
func (r *run) fidget(k int, random *rand.Rand) error {
	c, err := dial(r.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	var open []string
	for sid := 0; ; sid++ {
		over := r.over.Load()
		r.stepped(1)
		switch {
		case over && len(open) == 0:
			return nil
		case over || len(open) > 4 || len(open) > 0 && random.IntN(2) == 0:
			at := random.IntN(len(open))
			if err := r.unsubscribe(c, open[at]); err != nil {
				return err
			}
			open = slices.Delete(open, at, at+1)
		default:
			name := fmt.Sprintf("r%d.%d", k, sid)
			if err := r.subscribe(c, name, random); err != nil {
				return err
			}
			open = append(open, name)
		}
	}
}

func (r *run) stepped(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps += n
	r.step.Broadcast()
}

func (r *run) awaitSteps(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.steps < n {
		r.step.Wait()
	}
}

func (r *run) subscribe(c *conn, sid string, random *rand.Rand) error {
	s := &span{name: "restless " + sid, pattern: patterns[random.IntN(len(patterns))]}
	text := ""
	switch random.IntN(3) {
	case 0:
		s.queue = []string{"a", "b"}[random.IntN(2)]
	case 1:
		s.max = 1 + random.IntN(60)
		text = fmt.Sprintf("UNSUB %s %d\r\n", sid, s.max)
	}
	s.may.from = read(&r.confirmed)
	c.spans[sid] = s
	r.mu.Lock()
	r.spans = append(r.spans, s)
	r.mu.Unlock()
	if err := c.send(fmt.Sprintf("SUB %s %s %s\r\n%sPING\r\n", s.pattern, s.queue, sid, text)); err != nil {
		return err
	}
	if err := c.untilPong(); err != nil {
		return err
	}
	s.must.from = read(&r.sent)
	return nil
}

func (r *run) unsubscribe(c *conn, sid string) error {
	s := c.spans[sid]
	s.must.to = read(&r.confirmed)
	if err := c.send("UNSUB " + sid + "\r\nPING\r\n"); err != nil {
		return err
	}
	if err := c.untilPong(); err != nil {
		return err
	}
	s.may.to = read(&r.sent)
	delete(c.spans, sid) // from here on nothing may come
	c.ended[sid] = fmt.Sprintf("%s %s, at most %d, had %d", s.pattern, s.queue, s.max, len(s.copies))
	return nil
}
