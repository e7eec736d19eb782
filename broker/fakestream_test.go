package broker

import (
	"bytes"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fakeStream is a transport that takes as much as the test lets it.
type fakeStream struct {
	mu      sync.Mutex
	changed sync.Cond
	got     bytes.Buffer
	room    int  // what it takes before it would block; -1 is any
	moody   bool // it takes a random part of what it is given
	closed  bool
	failing error
	rig     *outboxRig // which it calls; nil if it cannot call
	asked   atomic.Bool
}

func newFakeStream(room int) *fakeStream {
	f := &fakeStream{room: room}
	f.changed.L = &f.mu
	return f
}

// take is called with mu held.
func (f *fakeStream) take(p []byte) int {
	n := len(p)
	if f.room >= 0 {
		n = min(n, f.room)
		f.room -= n
	}
	if f.moody && n > 0 {
		n = rand.IntN(n + 1)
	}
	f.got.Write(p[:n])
	return n
}

func (f *fakeStream) tryWrite(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing != nil {
		return 0, f.failing
	}
	return f.take(p), nil
}

func (f *fakeStream) write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch n := f.take(p); {
		case f.failing != nil:
			return 0, f.failing
		case n > 0:
			return n, nil
		case f.closed:
			return 0, net.ErrClosed
		case f.moody:
		default:
			f.changed.Wait()
		}
	}
}

// allow lets the stream take n bytes more.
func (f *fakeStream) allow(n int) {
	f.mu.Lock()
	f.room += n
	f.mu.Unlock()
	f.changed.Broadcast()
	if f.rig != nil && f.asked.Swap(false) {
		f.rig.writable()
	}
}

func (f *fakeStream) callWritable(now bool) {
	f.asked.Store(true)
	f.mu.Lock()
	defer f.mu.Unlock()
	if now || f.moody || f.room > 0 {
		f.rig.writers.Go(f.rig.writable)
	}
}

func (f *fakeStream) close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.changed.Broadcast()
	return nil
}

func (f *fakeStream) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got.String()
}

func (f *fakeStream) interrupt()        {}
func (f *fakeStream) drain(time.Time)   {}
func (f *fakeStream) closeWrite() error { return nil }

// outboxRig is an outbox over a fakeStream.
type outboxRig struct {
	*outbox
	stream  *fakeStream
	writers sync.WaitGroup
	ended   chan closeReason
}

// newOutboxRig makes an outbox over a stream that calls, or one that cannot.
func newOutboxRig(calls bool, room, limit int) *outboxRig {
	r := &outboxRig{stream: newFakeStream(room), ended: make(chan closeReason, 10)}
	r.outbox = &outbox{
		stream:   r.stream,
		calls:    calls,
		limit:    limit,
		mark:     min(congestion, limit/2),
		deadline: 10 * time.Second,
		spawn:    r.writers.Go,
		broken: func(reason closeReason) {
			r.ended <- reason
			if reason != finished {
				_ = r.stream.close()
			}
		},
	}
	if calls {
		r.stream.rig = r
	}
	return r
}

// bothForms runs a test in virtual time over both forms of a stream.
func bothForms(t *testing.T, test func(t *testing.T, calls bool)) {
	for name, calls := range map[string]bool{"writer goroutine": false, "called": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, calls) })
		})
	}
}

func (r *outboxRig) put(text string) bool {
	return r.send(append(getBuffer(len(text)), text...))
}

// empty reports that the outbox holds no memory.
func (r *outboxRig) empty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue) == 0 && r.pending == 0 && r.sent == 0 && r.inline[0] == nil && r.inline[1] == nil
}
