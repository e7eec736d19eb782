package subscriber_test

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"vigil/broker"
	"vigil/publisher"
	"vigil/subscriber"
)

// startNATS starts a stock nats-server; port 0 picks one.
func startNATS(t testing.TB, port int) *server.Server {
	t.Helper()
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats-server did not start")
	}
	t.Cleanup(func() { stopNATS(s) })
	return s
}

func stopNATS(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

func portOf(s *server.Server) int { return s.Addr().(*net.TCPAddr).Port }

func urlOf(s *server.Server) string { return "nats://127.0.0.1:" + strconv.Itoa(portOf(s)) }

// within returns a context that fails a test which hangs.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// running is a broker that a test can stop and start again at its address.
type running struct {
	url   string
	stop  func()
	again func()
}

// brokers runs a test against Vigil's broker and a stock nats-server.
func brokers(t *testing.T, test func(t *testing.T, b running)) {
	t.Run("vigil", func(t *testing.T) {
		var b *broker.Broker
		start := func(port int) {
			var err error
			if b, err = broker.Start(broker.Config{Port: port}); err != nil {
				t.Fatal(err)
			}
		}
		stop := func() {
			if err := b.Shutdown(within(t)); err != nil {
				t.Errorf("broker: shutdown: %v", err)
			}
		}
		start(broker.RandomPort)
		t.Cleanup(func() { stop() })
		_, text, _ := strings.Cut(strings.TrimPrefix(b.URL(), "nats://"), ":")
		port, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		test(t, running{b.URL(), stop, func() { start(port) }})
	})
	t.Run("nats-server", func(t *testing.T) {
		s := startNATS(t, 0)
		port := portOf(s)
		test(t, running{urlOf(s), func() { stopNATS(s) }, func() { startNATS(t, port) }})
	})
}

// events collects events and lets a test wait for a kind.
type events struct{ ch chan subscriber.Event }

func newEvents() *events { return &events{make(chan subscriber.Event, 1000)} }

func (e *events) on(ev subscriber.Event) { e.ch <- ev }

func (e *events) wait(t testing.TB, kind subscriber.EventKind) subscriber.Event {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case ev := <-e.ch:
			t.Log(ev)
			if ev.Kind == kind {
				return ev
			}
		case <-timeout:
			t.Fatalf("no event %v within 20 s", kind)
		}
	}
}

func connect(t testing.TB, url string, cfg subscriber.Config) *subscriber.Subscriber {
	t.Helper()
	sub, err := subscriber.Connect(within(t), url, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sub.Close() })
	return sub
}

func connectPublisher(t testing.TB, url string, cfg publisher.Config) *publisher.Publisher {
	t.Helper()
	pub, err := publisher.Connect(within(t), url, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pub.Close() })
	return pub
}

// take returns the next n messages.
func take(t testing.TB, s *subscriber.Subscription, n int) []*subscriber.Msg {
	t.Helper()
	var got []*subscriber.Msg
	for m, err := range s.Messages(within(t)) {
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(got), n, err)
		}
		if got = append(got, m); len(got) == n {
			break
		}
	}
	return got
}
