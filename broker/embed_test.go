package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"vigil/broker"
)

func TestEmbedding(t *testing.T) {
	b := start(t, broker.Config{Name: "mine"})
	if b.ClientURL() != b.URL() || b.Name() != "mine" || b.MonitorAddr() != nil || !b.ReadyForConnections(0) {
		t.Errorf("url %s, name %s, monitor %v, ready %v", b.ClientURL(), b.Name(), b.MonitorAddr(), b.ReadyForConnections(0))
	}
	nc := dialNATS(t, b)
	if b.NumClients() != 1 {
		t.Errorf("%d clients", b.NumClients())
	}
	stopped := make(chan struct{})
	go func() { // ends with the broker; the test waits for it
		b.WaitForShutdown()
		close(stopped)
	}()
	select {
	case <-stopped:
		t.Fatal("stopped before Shutdown")
	default:
	}
	check(t, b.Shutdown(t.Context()))
	<-stopped
	nc.Close()
	if b.ReadyForConnections(time.Second) {
		t.Error("ready for connections after Shutdown")
	}
	if conn, err := b.InProcessConn(); err == nil || err.Error() != "broker: in-process connection: the broker is stopping" {
		t.Errorf("in-process connection after Shutdown: %v, %v", conn, err)
	}
}

// nats.go over InProcessConn: everything arrives, in order, also while both
// ends write more than fits anywhere, and large messages both ways.
func TestInProcess(t *testing.T) {
	b := start(t, broker.Config{})
	connect := func() *nats.Conn {
		nc, err := nats.Connect("", nats.InProcessServer(b))
		check(t, err)
		t.Cleanup(nc.Close)
		return nc
	}
	const messages, size = 100000, 128
	nc := connect()
	var got, wrong atomic.Int64
	done := make(chan struct{})
	// The connection publishes to itself, so that input and output are at full
	// speed at once.
	sub, err := nc.Subscribe("n", func(m *nats.Msg) {
		if n := got.Add(1); !strings.HasPrefix(string(m.Data), fmt.Sprintf("%d.", n)) {
			wrong.Add(1)
		} else if n == messages {
			close(done)
		}
	})
	check(t, err)
	check(t, sub.SetPendingLimits(-1, -1))
	rest := strings.Repeat("x", size)
	for i := range messages {
		check(t, nc.Publish("n", fmt.Appendf(nil, "%d.%s", i+1, rest)))
	}
	select {
	case <-done:
	case <-time.After(2 * patience):
		t.Fatalf("%d of %d messages", got.Load(), messages)
	}
	if wrong.Load() > 0 {
		t.Errorf("%d messages out of order", wrong.Load())
	}
	other := connect()
	_, err = other.Subscribe("big", func(m *nats.Msg) { _ = m.Respond(m.Data) })
	check(t, err)
	check(t, other.Flush())
	data := []byte(strings.Repeat("y", 1<<20))
	for range 20 {
		m, err := nc.Request("big", data, patience)
		check(t, err)
		if string(m.Data) != string(data) {
			t.Fatal("the payload differs")
		}
	}
	if ip, err := nc.GetClientIP(); err == nil {
		t.Errorf("client IP %v of a connection without an address", ip)
	}
}

func TestConnectURLs(t *testing.T) {
	urls := []string{"10.1.2.3:4222", "10.1.2.4:4222"}
	b := start(t, broker.Config{ConnectURLs: urls})
	nc := dialNATS(t, b)
	if got := nc.DiscoveredServers(); len(got) != 2 {
		t.Errorf("discovered %v", got)
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		cfg  broker.Config
		want string
	}{
		{broker.Config{MonitorPort: 65536}, "broker: MonitorPort 65536: want 1 to 65535, -1 for any free port, or 0 for none"},
		{broker.Config{MonitorPort: -2}, "broker: MonitorPort -2: want 1 to 65535, -1 for any free port, or 0 for none"},
		{broker.Config{LameDuckDuration: time.Second}, "broker: LameDuckDuration 1s: want more than LameDuckGrace, 10s"},
		{broker.Config{LameDuckGrace: -1, LameDuckDuration: -1}, "broker: LameDuckDuration -1ns: want more than LameDuckGrace, 0s"},
		{broker.Config{ConnectURLs: []string{"a:1", "nats"}}, `broker: ConnectURLs: "nats": want host:port`},
	} {
		c.cfg.Port = broker.RandomPort
		b, err := broker.Start(c.cfg)
		if err == nil {
			_ = b.Shutdown(t.Context())
		}
		if _, ok := errors.AsType[*broker.ConfigError](err); !ok || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

// A test or a program can have a broker whenever it wants one: it is there in
// less than 1 ms.
func TestStartIsImmediate(t *testing.T) {
	if broker.RaceEnabled {
		t.Skip("the race detector has its own price")
	}
	best := time.Hour
	for range 20 {
		begun := time.Now()
		b, err := broker.Start(broker.Config{Port: broker.RandomPort, MonitorPort: broker.RandomPort})
		best = min(best, time.Since(begun))
		check(t, err)
		check(t, b.Shutdown(t.Context()))
	}
	t.Logf("the fastest of 20 starts took %v", best)
	if best >= time.Millisecond {
		t.Errorf("the fastest of 20 starts took %v, want less than 1 ms", best)
	}
}

// Starting a broker takes well below 1 ms, stopping one, too.
func BenchmarkStart(b *testing.B) {
	for name, cfg := range map[string]broker.Config{
		"plain":     {Port: broker.RandomPort},
		"monitored": {Port: broker.RandomPort, MonitorPort: broker.RandomPort},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				started, err := broker.Start(cfg)
				if err != nil {
					b.Fatal(err)
				}
				if err := started.Shutdown(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTransport compares the ways to a broker of the same process, by
// nats.go publishing to itself.
func BenchmarkTransport(b *testing.B) {
	for name, option := range map[string]func(*broker.Broker) nats.Option{
		"pipe": func(s *broker.Broker) nats.Option { return nats.InProcessServer(s) },
		"tcp":  func(*broker.Broker) nats.Option { return nil },
	} {
		b.Run(name, func(b *testing.B) {
			s, err := broker.Start(broker.Config{Port: broker.RandomPort})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Shutdown(context.Background()) }()
			nc, err := nats.Connect(s.URL(), option(s))
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			// What is on its way is bounded, so that nobody is a slow consumer.
			window := make(chan struct{}, 1<<13)
			if _, err := nc.Subscribe("n", func(*nats.Msg) { <-window }); err != nil {
				b.Fatal(err)
			}
			data := make([]byte, 128)
			b.ResetTimer()
			for range b.N {
				window <- struct{}{}
				if err := nc.Publish("n", data); err != nil {
					b.Fatal(err)
				}
			}
			for range cap(window) {
				window <- struct{}{} // until all have come
			}
		})
	}
}
