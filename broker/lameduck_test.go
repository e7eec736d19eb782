package broker_test

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"vigil/broker"
	"vigil/internal/memnet"
)

var lameInfo = regexp.MustCompile(`^INFO .*"ldm":true`)

// onLameDuck starts lame duck mode; the channel gets what came of it.
func onLameDuck(ctx context.Context, b *broker.Broker) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- b.LameDuck(ctx) }() // ends with the broker
	return ended
}

func lameBubble(t *testing.T, cfg broker.Config, f func(t *testing.T, b *broker.Broker, n *memnet.Network)) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		l, err := n.Listen(memAddress)
		check(t, err)
		cfg.Listener, cfg.PingInterval = l, time.Hour
		b, err := broker.Start(cfg)
		check(t, err)
		defer func() {
			if err := b.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		f(t, b, n)
	})
}

// Of several clients those are told that can understand it, all are served on
// through the grace period, and then they go one by one, in time.
func TestLameDuck(t *testing.T) {
	cfg := broker.Config{ConnectURLs: []string{memAddress, "other:4222"}}
	lameBubble(t, cfg, func(t *testing.T, b *broker.Broker, n *memnet.Network) {
		const knowing = 20
		var clients []*rawClient
		for range knowing {
			c := dialMem(t, n)
			c.write("CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n")
			c.expect("first PING", "PONG")
			c.expectMatch("behind the PONG", regexp.MustCompile(`"connect_urls":\["broker:4222","other:4222"\],"connect_info":true`))
			clients = append(clients, c)
		}
		old := dialMem(t, n)
		old.ready(`{"verbose":false,"protocol":0}`)
		begun := time.Now()
		ended := onLameDuck(context.Background(), b)
		synctest.Wait()
		if _, err := n.DialContext(t.Context(), "tcp", memAddress); err == nil {
			t.Error("the broker still listens")
		}
		if _, err := b.InProcessConn(); err == nil {
			t.Error("the broker still takes clients of its process")
		}
		if b.ReadyForConnections(0) {
			t.Error("ready for connections")
		}
		for _, c := range clients {
			c.expectMatch("lame duck", regexp.MustCompile(`^INFO .*"connect_urls":\["other:4222"\],"ldm":true`))
		}
		time.Sleep(9 * time.Second)
		old.write("SUB a 1\r\n")
		old.flush() // and has heard nothing before
		clients[0].write("PUB a 2\r\nhi\r\n")
		clients[0].flush()
		old.expect("message", "MSG a 1 2")
		old.expect("payload", "hi")
		var gone []time.Duration
		for b.NumClients() > 0 {
			before := b.NumClients()
			time.Sleep(100 * time.Millisecond)
			for range before - b.NumClients() {
				gone = append(gone, time.Since(begun))
			}
		}
		check(t, <-ended)
		if len(gone) != knowing+1 || gone[0] < 10*time.Second || gone[len(gone)-1] > time.Duration(10+knowing+2)*time.Second {
			t.Errorf("clients went at %v", gone)
		}
		for i := 1; i < len(gone); i++ {
			if gap := gone[i] - gone[i-1]; gap < 400*time.Millisecond || gap > 1200*time.Millisecond {
				t.Errorf("gap of %v between clients", gap)
			}
		}
		for _, c := range append(clients, old) {
			c.expectEnd("gone") // nothing is said
		}
		b.WaitForShutdown()
	})
}

// Many clients have all gone within the duration.
func TestLameDuckManyInTime(t *testing.T) {
	cfg := broker.Config{LameDuckGrace: time.Second, LameDuckDuration: 5 * time.Second}
	lameBubble(t, cfg, func(t *testing.T, b *broker.Broker, n *memnet.Network) {
		for range 300 {
			dialMem(t, n)
		}
		begun := time.Now()
		check(t, b.LameDuck(context.Background()))
		if took := time.Since(begun); took < 2500*time.Millisecond || took > 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestLameDuckEndsEarly(t *testing.T) {
	t.Run("without clients", func(t *testing.T) {
		lameBubble(t, broker.Config{}, func(t *testing.T, b *broker.Broker, n *memnet.Network) {
			begun := time.Now()
			check(t, b.LameDuck(context.Background()))
			check(t, b.LameDuck(context.Background())) // again is nothing
			if took := time.Since(begun); took > 0 {
				t.Errorf("took %v", took)
			}
		})
	})
	t.Run("when the last client has left", func(t *testing.T) {
		lameBubble(t, broker.Config{}, func(t *testing.T, b *broker.Broker, n *memnet.Network) {
			c := dialMem(t, n)
			begun := time.Now()
			ended, again := onLameDuck(context.Background(), b), onLameDuck(context.Background(), b)
			time.Sleep(3 * time.Second)
			c.conn.Close()
			check(t, <-ended)
			check(t, <-again)
			if took := time.Since(begun); took > 4*time.Second {
				t.Errorf("took %v", took)
			}
		})
	})
	t.Run("with its context", func(t *testing.T) {
		lameBubble(t, broker.Config{}, func(t *testing.T, b *broker.Broker, n *memnet.Network) {
			c := dialMem(t, n)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			begun := time.Now()
			if err := b.LameDuck(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			b.WaitForShutdown()
			if took := time.Since(begun); took != 5*time.Second {
				t.Errorf("took %v", took)
			}
			c.expectEnd("gone")
		})
	})
	t.Run("with Shutdown", func(t *testing.T) {
		lameBubble(t, broker.Config{}, func(t *testing.T, b *broker.Broker, n *memnet.Network) {
			dialMem(t, n)
			ended := onLameDuck(context.Background(), b)
			time.Sleep(2 * time.Second)
			check(t, b.Shutdown(context.Background()))
			check(t, <-ended)
		})
	})
}

// A client whose first PONG comes while the broker is a lame duck is told in
// the INFO behind it, and one that waits for that PONG hears nothing before.
func TestLameDuckBehindFirstPong(t *testing.T) {
	lameBubble(t, broker.Config{}, func(t *testing.T, b *broker.Broker, n *memnet.Network) {
		c := dialMem(t, n)
		c.write("CONNECT {\"verbose\":false,\"protocol\":1}\r\n")
		synctest.Wait()
		ended := onLameDuck(context.Background(), b)
		synctest.Wait()
		c.flush()
		c.expectMatch("behind the PONG", lameInfo)
		c.conn.Close()
		check(t, <-ended)
	})
}

// nats.go calls its handler, and finds the other broker.
func TestLameDuckStockClient(t *testing.T) {
	other := start(t, broker.Config{})
	b := start(t, broker.Config{LameDuckGrace: 50 * time.Millisecond, LameDuckDuration: time.Second})
	lame, moved := make(chan struct{}, 1), make(chan string, 1)
	nc, err := nats.Connect(strings.Join([]string{b.URL(), other.URL()}, ","), nats.DontRandomize(), nats.ReconnectWait(time.Millisecond),
		nats.LameDuckModeHandler(func(*nats.Conn) { lame <- struct{}{} }),
		nats.ReconnectHandler(func(nc *nats.Conn) { moved <- nc.ConnectedUrl() }))
	check(t, err)
	defer nc.Close()
	check(t, nc.Flush())
	ended := onLameDuck(t.Context(), b)
	for _, at := range []string{"lame duck", "moved"} {
		select {
		case <-lame:
			lame = nil
		case url := <-moved:
			if lame != nil || url != other.URL() {
				t.Errorf("moved to %s, lame duck handler called: %v", url, lame == nil)
			}
		case <-time.After(patience):
			t.Fatalf("not %s", at)
		}
	}
	check(t, <-ended)
	if _, err := net.Dial("tcp", b.Addr().String()); err == nil {
		t.Error("the broker still listens")
	}
}
