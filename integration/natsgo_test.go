package integration_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"vigil/internal/fault"
	"vigil/internal/lab"
	"vigil/publisher"
)

// The stock client, told to look often, recovers on Vigil's broker from a crash
// without a FIN and from a plain kill.
func TestNATSClient(t *testing.T) {
	t.Parallel()
	t.Run("crash", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, fault.PacketsDropped, lab.Vigil)
		testNATSClient(t, h,
			func() { h.vanish(t) }, func() { h.comeBack(t) },
			func(err error) bool { return errors.Is(err, nats.ErrStaleConnection) })
	})
	t.Run("kill", func(t *testing.T) {
		t.Parallel()
		h := newHost(t, onLoopback, lab.Vigil)
		testNATSClient(t, h,
			h.proc.Kill, func() { h.start(t) },
			func(err error) bool { return err != nil && !errors.Is(err, nats.ErrStaleConnection) })
	})
}

func testNATSClient(t *testing.T, h *host, end, back func(), expected func(error) bool) {
	lost, again := make(chan error, 16), make(chan struct{}, 16)
	nc, err := nats.Connect(h.url(),
		nats.PingInterval(200*time.Millisecond), nats.MaxPingsOutstanding(2),
		nats.ReconnectWait(50*time.Millisecond), nats.MaxReconnects(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { lost <- err }),
		nats.ReconnectHandler(func(*nats.Conn) { again <- struct{}{} }))
	must(t, err)
	t.Cleanup(nc.Close)
	got := &numbers{times: make(map[int]int)}
	for pattern, queue := range map[string]string{"numbers": "", "other.*": "group"} {
		_, err = nc.QueueSubscribe(pattern, queue, func(m *nats.Msg) { got.add(m.Data) })
		must(t, err)
	}
	must(t, nc.Flush())
	f := startFeed(t, h, publisher.Config{}, "numbers", 1, 0)
	// Long enough for several of its PINGs: the broker answers each.
	got.await(t, 500)
	if len(lost) > 0 {
		t.Fatalf("lost a healthy connection: %v", <-lost)
	}

	end()
	if err := await(t, "nats.go notices", lost); !expected(err) {
		t.Errorf("nats.go lost its connection with %v", err)
	}
	f.diary.await(t, 0, publisher.EventLost)
	back()
	await(t, "nats.go reconnects", again)
	f.diary.await(t, 0, publisher.EventResumed)
	got.await(t, f.next()+100)
	must(t, nc.Publish("other.one", []byte("1000000")))
	got.await(t, 1000000)
	got.await(t, f.finish(t)-1)
}

// await receives from c.
func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case v = <-c:
	case <-timeout.C:
		t.Fatalf("%s: not within %v", what, patience)
	}
	return v
}

// isUnsupported reports whether this platform cannot make a fault.
func isUnsupported(err error) bool { return errors.Is(err, errors.ErrUnsupported) }
