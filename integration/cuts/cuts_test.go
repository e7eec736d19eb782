package cuts_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"vigil/broker"
	"vigil/publisher"
	"vigil/subscriber"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var long = flag.Bool("long", false, "10,000 cuts instead of 400")

// patience bounds the wait for what must happen.
const patience = time.Minute

// knife dials connections that are cut at random bytes, read or written.
type knife struct {
	cuts  atomic.Int64
	most  int64 // so many, and then none any more
	write bool  // amid messages it is cut in what is written, else in what is read

	mu  sync.Mutex
	rng *rand.Rand // guarded by mu
}

// A connection is cut amid its greeting, or amid messages.
const (
	greeting = 500
	messages = 20_000
)

func (k *knife) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{KeepAlive: -1}).DialContext(ctx, network, address)
	if err != nil || k.cuts.Load() >= k.most {
		return conn, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	c := &cutConn{TCPConn: conn.(*net.TCPConn), knife: k, abort: k.rng.IntN(2) == 0}
	const never = 1 << 60
	read, write := int64(never), k.rng.Int64N(messages)
	if k.rng.IntN(2) == 0 {
		read, write = k.rng.Int64N(greeting), k.rng.Int64N(greeting)
	} else if !k.write {
		read, write = write, never
	}
	c.read.Store(read)
	c.write.Store(write)
	return c, nil
}

// cutConn is a connection that ends after so many bytes.
type cutConn struct {
	*net.TCPConn
	knife       *knife
	abort       bool // with a RST
	read, write atomic.Int64
	once        sync.Once
}

var errCut = errors.New("cut")

func (c *cutConn) cut() {
	c.once.Do(func() {
		c.knife.cuts.Add(1)
		if c.abort {
			_ = c.SetLinger(0)
		}
		_ = c.TCPConn.Close()
	})
}

func (c *cutConn) Read(b []byte) (int, error) {
	left := c.read.Load()
	if left <= 0 {
		c.cut()
		return 0, errCut
	}
	n, err := c.TCPConn.Read(b[:min(int64(len(b)), left)])
	c.read.Add(-int64(n))
	return n, err
}

func (c *cutConn) Write(b []byte) (int, error) {
	left := c.write.Load()
	n, err := c.TCPConn.Write(b[:min(int64(len(b)), left)])
	c.write.Add(-int64(n))
	if err == nil && n < len(b) {
		c.cut()
		err = errCut
	}
	return n, err
}

func TestCuts(t *testing.T) {
	cuts := int64(400)
	switch {
	case *long:
		cuts = 10_000
	case raceEnabled:
		cuts = 100
	}
	for name, start := range map[string]func(*testing.T) string{"vigil": startVigil, "nats-server": startNATS} {
		for mode, confirmed := range map[string]bool{"fire and forget": false, "confirmed": true} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				h := record(t, start(t), confirmed, cuts)
				for _, wrong := range h.judge() {
					t.Error(wrong)
				}
				t.Logf("%d messages, %d at risk, %d and %d and %d received, %d deaf windows", len(h.published), len(h.atRisk),
					len(h.steady), len(h.unique), len(h.cut), len(h.deaf))
			})
		}
	}
}

// record publishes until there were enough cuts of the publisher and of a subscriber,
// and returns what happened.
func record(t *testing.T, url string, confirmed bool, cuts int64) *history {
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	var mu sync.Mutex // over h
	h := &history{atRisk: make(map[int]bool), confirmed: confirmed}
	errs := func(e subscriber.Event) {
		if e.Kind == subscriber.EventServerError {
			t.Errorf("the broker found fault: %v", e)
		}
		if e.Missed > 0 {
			t.Errorf("%d events before %v were not taken in time", e.Missed, e)
		}
	}
	const wait, most = time.Millisecond, 5 * time.Millisecond

	collect := func(cfg subscriber.Config, into *[]int, options ...subscriber.Option) *subscriber.Subscriber {
		t.Helper()
		cfg.RetryBase, cfg.RetryCap, cfg.KeepTrying = wait, most, true
		s, err := subscriber.Connect(ctx, url, cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		options = append(options, subscriber.MaxPending(1<<20, 1<<28))
		_, err = s.SubscribeFunc("numbers", func(m *subscriber.Msg) {
			n, err := number(m.Data)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				h.corrupt = append(h.corrupt, err.Error())
				return
			}
			*into = append(*into, n)
			if into == &h.steady {
				h.routed = append(h.routed, time.Now())
			}
		}, options...)
		if err != nil {
			t.Fatal(err)
		}
		for s.Flush(ctx) != nil && ctx.Err() == nil { // the connection may be cut meanwhile
		}
		return s
	}
	readers := &knife{most: cuts, rng: rand.New(rand.NewPCG(1, 1))}
	writers := &knife{most: cuts, write: true, rng: rand.New(rand.NewPCG(2, 2))}
	steady := collect(subscriber.Config{OnEvent: errs}, &h.steady)
	unique := collect(subscriber.Config{OnEvent: errs}, &h.unique, subscriber.DropRepeats(1<<17, 10*patience))
	cut := collect(subscriber.Config{Dial: readers.dial, OnEvent: func(e subscriber.Event) {
		errs(e)
		if e.Kind == subscriber.EventResumed {
			mu.Lock()
			defer mu.Unlock()
			h.deaf = append(h.deaf, span{e.DeafFrom, e.DeafTo})
		}
	}}, &h.cut)

	pub, err := publisher.Connect(ctx, url, publisher.Config{
		Dial: writers.dial, RetryBase: wait, RetryCap: most, KeepTrying: true,
		Confirmed: confirmed, KeepUnconfirmed: 8 << 20,
		OnEvent: func(e publisher.Event) {
			errs(e)
			mu.Lock()
			defer mu.Unlock()
			if int64(len(e.AtRisk)) != e.Unconfirmed.Messages && e.Kind == publisher.EventLost && !confirmed {
				h.corrupt = append(h.corrupt, "not all that is at risk is there: "+e.String())
			}
			for _, m := range e.AtRisk {
				n, err := number(m.Data)
				if err != nil {
					h.corrupt = append(h.corrupt, err.Error())
				}
				h.atRisk[n] = true
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pub.Close() })
	for n := 0; readers.cuts.Load() < cuts || writers.cuts.Load() < cuts; n++ {
		now := time.Now()
		err := pub.Publish(ctx, "numbers", payload(n))
		if errors.Is(err, publisher.ErrAwayBufferFull) {
			n--
			time.Sleep(wait) // as a publisher would: there is room when there is a connection
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		h.published = append(h.published, now)
		mu.Unlock()
		if n%50 == 49 {
			time.Sleep(100 * time.Microsecond) // cuts are wanted, not messages
		}
	}
	// What is connected now may still be cut, once.
	for {
		err := pub.Flush(ctx)
		if _, again := errors.AsType[*publisher.InterruptedError](err); again {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	for _, s := range []*subscriber.Subscriber{steady, unique, cut} {
		for {
			err := s.Drain(ctx)
			if err == nil {
				break
			}
			if _, again := errors.AsType[*subscriber.InterruptedError](err); !again {
				t.Fatal(err)
			}
		}
	}
	if err := pub.Close(); err != nil {
		t.Errorf("the publisher leaves something: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	return h
}

func startVigil(t *testing.T) string {
	b, err := broker.Start(broker.Config{Port: broker.RandomPort})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Shutdown(context.Background()); err != nil {
			t.Errorf("broker: %v", err)
		}
	})
	return b.URL()
}

func startNATS(t *testing.T) string {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("nats-server did not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s.ClientURL()
}
