package broker

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestStorm lets clients of all kinds come and go as fast as they can, on one, two
// and four processors, over TCP and Unix sockets. Those that do no harm are
// answered all the time; and when it is over, or the broker is shut down in the
// midst of it, everything is given back.
func TestStorm(t *testing.T) {
	span := 250 * time.Millisecond
	if *long {
		span = 3 * time.Second
	}
	for _, processors := range []int{1, 2, 4} {
		for _, network := range []string{"tcp", "unix"} {
			for _, calm := range []bool{true, false} {
				end := map[bool]string{true: "calm", false: "shutdown"}[calm]
				t.Run(fmt.Sprintf("%s/%d/%s", network, processors, end), func(t *testing.T) {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
					defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
					before := descriptors(t)
					startStorm(t, network).run(span, calm)
					await(t, "no descriptor more than before", func() bool { return descriptors(t) <= before })
				})
			}
		}
	}
}

// storm is a broker, the clients that rage, and some that do not.
type storm struct {
	t *testing.T
	b *Broker
	l net.Listener

	clients sync.WaitGroup
	over    chan struct{} // closed when nobody begins anything any more
	visits  atomic.Int64
	// pings counts the answers to the quiet clients, worst is the longest time
	// one took.
	pings, worst atomic.Int64
}

const (
	stormQuiet = 3
	stormWild  = 40
	stormLimit = 35 // connections: some are turned away
)

func startStorm(t *testing.T, network string) *storm {
	l := listenOn(t, network)
	b, err := Start(Config{
		Listener:       l,
		MaxConnections: stormLimit,
		MaxPayload:     512 << 10,
		MaxPending:     1 << 20,
		WriteDeadline:  100 * time.Millisecond,
		MemoryBudget:   16 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &storm{t: t, b: b, l: l, over: make(chan struct{})}
}

// run lets the storm rage for a while, and then waits until it is calm, or does
// not, and shuts the broker down.
func (s *storm) run(span time.Duration, calm bool) {
	for range stormQuiet {
		conn, err := s.dial()
		if err != nil {
			s.t.Fatal(err)
		}
		rawFlush(s.t, conn, quietConnect+"SUB own 1\r\n")
		s.clients.Go(func() { s.ping(conn) })
	}
	for i := range stormWild {
		r := rand.New(rand.NewPCG(uint64(i), 11))
		s.clients.Go(func() { s.rage(r) })
	}
	<-time.After(span)
	close(s.over)
	if calm {
		s.clients.Wait()
		awaitCount(s.t, s.b, 0)
		await(s.t, "a poller at rest", func() bool { return atRest(s.b.poller) })
		s.checkNobodyWatched()
		checkLedger(s.t, s.b)
	}
	ctx, cancel := context.WithTimeout(context.Background(), testPatience)
	defer cancel()
	begun := time.Now()
	if err := s.b.Shutdown(ctx); err != nil {
		all := make([]byte, 1<<20)
		s.t.Fatalf("%v\n%s", err, all[:runtime.Stack(all, true)])
	}
	took := time.Since(begun)
	s.clients.Wait()
	checkLedger(s.t, s.b)
	s.t.Logf("%d visits; %d pings, %v at worst; shut down in %v", s.visits.Load(), s.pings.Load(), time.Duration(s.worst.Load()), took)
	if s.pings.Load() < stormQuiet || s.visits.Load() < stormWild {
		s.t.Error("there was no storm")
	}
}

// checkNobodyWatched looks for clients that the poller keeps.
func (s *storm) checkNobodyWatched() {
	p := s.b.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	for fd, c := range p.clients {
		if c != nil {
			s.t.Errorf("client %d is kept as descriptor %d", c.id, fd)
		}
	}
}

func (s *storm) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

func (s *storm) dial() (net.Conn, error) {
	conn, err := net.Dial(s.l.Addr().Network(), s.l.Addr().String())
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(testPatience))
	}
	return conn, err
}

// ping asks all the time. It ends when the storm is over.
func (s *storm) ping(conn net.Conn) {
	defer conn.Close()
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for !s.isOver() {
		asked := time.Now()
		_, err := io.WriteString(conn, "PING\r\n")
		if err == nil {
			err = readUntil(conn, "PONG\r\n")
		}
		if s.isOver() {
			return // the broker may be, too
		}
		if err != nil {
			s.t.Errorf("a quiet client behind %v: %v", time.Since(asked), err)
			return
		}
		s.pings.Add(1)
		s.worst.Store(max(s.worst.Load(), int64(time.Since(asked)))) // roughly
		<-pace.C
	}
}

// rage makes one visit after the other. It ends when the storm is over.
func (s *storm) rage(r *rand.Rand) {
	for !s.isOver() {
		conn, err := s.dial()
		if err != nil {
			if conn != nil {
				conn.Close()
			}
			<-time.After(time.Millisecond) // the listener is not so fast, or closed
			continue
		}
		visits[r.IntN(len(visits))](conn, r)
		conn.Close()
		s.visits.Add(1)
	}
}
