package link

import (
	"context"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A host that comes back is found by the next SYN, not by the next repetition
// of an old one.
func TestHostThatComesBackIsFoundSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.peer.start()
		var gone, most, under atomic.Int64
		cfg := r.config(Config{})
		cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			most.Store(max(most.Load(), under.Add(1)))
			defer under.Add(-1)
			if gone.Load() == 2 { // no answer to ARP either
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}
			}
			for gone.Load() != 0 { // as a kernel: a SYN now, after 1 s, after 3 s
				if err := pause(ctx, time.Second); err != nil {
					return nil, err
				}
			}
			return r.net.DialContext(ctx, network, address)
		}
		l, err := Connect(t.Context(), address, cfg)
		if err != nil {
			t.Fatal(err)
		}
		r.link = l
		for i := range 20 {
			time.Sleep(time.Minute)
			gone.Store(1 + int64(i%2))
			r.net.Vanish(address)
			time.Sleep(30*time.Second + time.Duration(i)*77*time.Millisecond)
			gone.Store(0)
			r.peer.start()
			back := time.Now()
			for l.Status().State != StateConnected {
				time.Sleep(time.Millisecond)
			}
			if d := r.last(EventResumed).DeafTo.Sub(back); d > dialAgain {
				t.Errorf("found %v after it came back, want at most %v", d, dialAgain)
			}
		}
		if n := most.Load(); n > maxDials {
			t.Errorf("%d dials at once", n)
		}
		r.end()
	})
}

// Dials that come second are closed.
func TestLateDialsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.peer.start()
		r.net.Cut(address)
		time.AfterFunc(time.Second, func() { r.net.Heal(address) })
		r.connect(Config{})
		open := 0
		time.Sleep(time.Second)
		for i := range r.peer.count() {
			c := r.peer.conn(i)
			c.mu.Lock()
			if len(c.ops) > 0 {
				open++
			}
			c.mu.Unlock()
		}
		if open != 1 {
			t.Errorf("%d connections were greeted, want one", open)
		}
		r.end()
	})
}
