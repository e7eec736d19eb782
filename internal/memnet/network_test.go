package memnet

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestListen(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		l := listen(t, n)
		if _, err := n.Listen(broker); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("Listen at an address in use: %v", err)
		}
		l.Close()
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
		listen(t, n)
		if _, err := n.Listen("broker"); err == nil {
			t.Error("Listen without a port succeeds")
		}
		one, _ := n.Listen("broker:0")
		two, _ := n.Listen("broker:0")
		if one.Addr().String() == two.Addr().String() {
			t.Errorf("port 0 gives %v twice", one.Addr())
		}
	})
}

func TestDialFails(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		var unknown net.UnknownNetworkError
		for _, tt := range []struct {
			network, address string
			want             func(error) bool
		}{
			{"tcp", broker, func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
			{"udp", broker, func(err error) bool { return errors.As(err, &unknown) }},
			{"tcp", "broker", func(err error) bool { var e *net.AddrError; return errors.As(err, &e) }},
		} {
			c, err := n.DialContext(t.Context(), tt.network, tt.address)
			if _, ok := errors.AsType[*net.OpError](err); !ok || !tt.want(err) || c != nil {
				t.Errorf("dial %s %s: %v, %v", tt.network, tt.address, c, err)
			}
		}
		if got := n.Stats(broker); got.Dials != 1 || got.Refused != 1 || got.Conns != 0 {
			t.Errorf("stats %+v, want one dial, refused", got)
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		listen(t, n)
		if _, err := n.DialContext(canceled, "tcp", broker); !errors.Is(err, context.Canceled) {
			t.Errorf("dial with a canceled context: %v", err)
		}
	})
}

// TestDialWaits: for a host that is cut off or gone a dial waits until its
// context is done, and succeeds as soon as the host is there again.
func TestDialWaits(t *testing.T) {
	heal := func(t *testing.T, n *Network) { n.Heal(broker) }
	for name, fault := range map[string]struct {
		begin, end func(t *testing.T, n *Network)
	}{
		"cut":     {func(_ *testing.T, n *Network) { n.Cut(broker) }, heal},
		"cutTo":   {func(_ *testing.T, n *Network) { n.CutTo(broker) }, heal},
		"cutFrom": {func(_ *testing.T, n *Network) { n.CutFrom(broker) }, heal},
		"vanish": {func(_ *testing.T, n *Network) { n.Vanish(broker) },
			func(t *testing.T, n *Network) { listen(t, n) }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *Network) {
				listen(t, n)
				fault.begin(t, n)
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := n.DialContext(ctx, "tcp", broker)
				netErr, ok := errors.AsType[net.Error](err)
				if !ok || !netErr.Timeout() || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
					t.Errorf("dial: %v after %v, want a timeout after 1s", err, time.Since(start))
				}
				dialed := later(t, func() { dial(t, n) })
				dialed(false)
				fault.end(t, n)
				dialed(true)
			})
		})
	}
}

func TestDialTakesARoundTrip(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		listen(t, n)
		n.Delay(broker, 100*time.Millisecond)
		start := time.Now()
		dial(t, n)
		if got := time.Since(start); got != 200*time.Millisecond {
			t.Errorf("dial took %v, want 200ms", got)
		}
	})
}

// TestDialRepeatsWhatACutSwallowed: a handshake that a cut interrupts begins again.
func TestDialRepeatsWhatACutSwallowed(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		listen(t, n)
		n.Delay(broker, 100*time.Millisecond)
		start := time.Now()
		time.AfterFunc(50*time.Millisecond, func() { n.Cut(broker) })
		time.AfterFunc(time.Second, func() { n.Heal(broker) })
		dial(t, n)
		if got := time.Since(start); got != 1200*time.Millisecond {
			t.Errorf("dial took %v, want 1.2s", got)
		}
	})
}

func TestBacklogIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		l := listen(t, n)
		for range maxBacklog {
			dial(t, n)
		}
		dialed := later(t, func() { dial(t, n) })
		dialed(false)
		accept(t, l)
		dialed(true)
	})
}

func TestListenerClose(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		l := listen(t, n)
		accepted := dial(t, n)
		server := accept(t, l)
		waiting := dial(t, n)
		l.Close()
		wantReadError(t, waiting, syscall.ECONNRESET)
		write(t, server, "still here")
		wantRead(t, accepted, "still here")
		if _, err := n.DialContext(t.Context(), "tcp", broker); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial after Close: %v", err)
		}

		l = listen(t, n)
		ended := later(t, func() {
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Accept after Close: %v", err)
			}
		})
		ended(false)
		l.Close()
		ended(true)
	})
}

func TestStats(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		client, server := connected(t, n)
		write(t, client, "four")
		write(t, server, "sixsix")
		if got, want := n.Stats(broker), (Stats{Dials: 1, Conns: 1, In: 4, Out: 6}); got != want {
			t.Errorf("stats %+v, want %+v", got, want)
		}
	})
}

// TestOutsideABubble: on the real clock it works as well.
func TestOutsideABubble(t *testing.T) {
	n := New()
	client, server := connected(t, n)
	n.Delay(broker, time.Millisecond)
	write(t, client, "x")
	wantRead(t, server, "x")
	client.SetReadDeadline(time.Now().Add(time.Millisecond))
	wantReadError(t, client, os.ErrDeadlineExceeded)
}

// TestBlockingIsDurable: goroutines that wait in every way there is let the
// bubble's clock go on.
func TestBlockingIsDurable(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetBuffer(1)
		l := listen(t, n)
		client := dial(t, n)
		server := accept(t, l)
		n.Vanish("elsewhere:1")
		ctx, cancel := context.WithCancel(t.Context())
		write(t, client, "x")
		go l.Accept()                               // ended by l.Close
		go server.Read(make([]byte, 8))             // has its byte at once
		go client.Read(make([]byte, 8))             // ended by client.Close
		go client.Write(make([]byte, 8))            // ended by client.Close
		go n.DialContext(ctx, "tcp", "elsewhere:1") // ended by cancel
		synctest.Wait()
		time.Sleep(time.Hour)
		cancel()
		l.Close()
		client.Close()
	})
}
