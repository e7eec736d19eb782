package brokertest_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"vigil/broker/brokertest"
)

// A subscription that was awaited is in effect: nothing that is published from then on
// passes it by.
func TestAwaitedSubscriptionsAreInEffect(t *testing.T) {
	each(t, func(t *testing.T, b *brokertest.Broker) {
		c := join(t, b, "a")
		for i := range 300 {
			subject := fmt.Sprintf("s.%d", i)
			c.say(fmt.Sprintf("SUB %s %d\r\n", subject, i+2))
			b.AwaitSubscribers(t, subject, 1)
			b.Publish(t, subject, nil)
			c.want(fmt.Sprintf("MSG %s %d 0\r\n\r\n", subject, i+2))
		}
	})
}

// slowBackend is a broker that has read a SUB, and does not look at it before it may.
type slowBackend struct{ may chan struct{} }

func (s slowBackend) Stop()     {}
func (s slowBackend) LameDuck() {}

func (s slowBackend) InProcessConn() (net.Conn, error) {
	theirs, ours := net.Pipe()
	go func() { // ends when the connection is closed
		defer ours.Close()
		io.WriteString(ours, "INFO {}\r\n")
		buf := make([]byte, 4096)
		for {
			n, err := ours.Read(buf)
			if err != nil {
				return
			}
			if bytes.Contains(buf[:n], []byte("SUB")) {
				<-s.may
			}
		}
	}()
	return theirs, nil
}

// That a broker has read a SUB is not enough: it must have looked at it.
func TestReadSubscriptionsAreNotInEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		may := make(chan struct{})
		b := brokertest.StartBackend(t, func(net.Addr) (brokertest.Backend, error) { return slowBackend{may}, nil })
		conn, err := b.InProcessConn()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "CONNECT {}\r\nSUB a 1\r\n")
		r := &recorder{TB: t}
		r.run(func(r testing.TB) { b.AwaitSubscribers(r, "a", 1, brokertest.Within(time.Minute)) })
		if !r.failed {
			t.Error("it counts before the broker has looked at it")
		}
		close(may)
		b.AwaitSubscribers(t, "a", 1)
	})
}

// Bounds keep to the client that is named.
func TestBy(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	a, other := join(t, b, "a"), join(t, b, "other")
	b.Reset(t)
	a.wantReset()
	other.wantReset()
	join(t, b, "a")
	if r := b.AwaitReconnect(t, brokertest.By("a")); r.Fault != "Reset" || r.Noticed != 0 || r.Back <= 0 {
		t.Errorf("reconnected: %+v", r)
	}
	r := &recorder{TB: t}
	r.run(func(r testing.TB) { b.AwaitReconnect(r, brokertest.Within(moment)) }) // other is missing
	if !r.failed {
		t.Error("the other was taken for reconnected")
	}
	r = &recorder{TB: t}
	r.run(func(r testing.TB) { b.AwaitReconnect(r, brokertest.By("nobody")) })
	if !r.failed {
		t.Error("nobody was taken for reconnected")
	}
}

// What a platform cannot do fails the test, with a word why.
func TestDropPacketsFailsInMemory(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	r.run(func(r testing.TB) { brokertest.Start(inBubble{r}, brokertest.Config{DropPackets: true}) })
	if want := "brokertest: start: packets can be dropped on Linux only, and not in memory\n"; r.text.String() != want {
		t.Errorf("said %q, want %q", r.text.String(), want)
	}
}

// inBubble is a test that says what those in a bubble say.
type inBubble struct{ testing.TB }

func (inBubble) Deadline() (time.Time, bool) { panic("in a bubble") }
