package bench

import (
	"math"
	"sync"
	"sync/atomic"
)

// window keeps publishers from running ahead of subscribers, so that no broker
// has to drop anything: at most limit messages are published and not yet
// delivered. It is the same for all contenders.
type window struct {
	// Fixed after construction.
	limit int64
	// shared says that subscribers share the messages; otherwise each receives
	// all of them, and the slowest counts.
	shared bool
	// delivered counts what came to each subscriber.
	delivered []counter

	// need is the progress that publishers wait for, math.MaxInt64 if none
	// does.
	need atomic.Int64

	mu    sync.Mutex
	moved sync.Cond // progress reached need, or stopped is set
	// sent counts the messages published; guarded by mu.
	sent int64
	// waiting counts the publishers that wait; guarded by mu.
	waiting int
	// stopped ends the publishing; guarded by mu.
	stopped bool
}

// counter is a number on a cache line of its own.
type counter struct {
	atomic.Int64
	_ [56]byte
}

func newWindow(subscribers int, shared bool, limit int64) *window {
	w := &window{limit: limit, shared: shared, delivered: make([]counter, subscribers)}
	w.moved.L = &w.mu
	w.need.Store(math.MaxInt64)
	return w
}

// progress is how many of the published messages are delivered.
func (w *window) progress() int64 {
	if w.shared {
		return w.total()
	}
	least := int64(math.MaxInt64)
	for i := range w.delivered {
		least = min(least, w.delivered[i].Load())
	}
	return least
}

// total is how many deliveries there were.
func (w *window) total() int64 {
	var sum int64
	for i := range w.delivered {
		sum += w.delivered[i].Load()
	}
	return sum
}

// acquire waits until n more messages may be published, and reports whether
// they are still wanted.
func (w *window) acquire(n int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.stopped {
		// The order matters: a subscriber counts first and looks at need then.
		w.need.Store(w.sent + n - w.limit)
		if w.progress() >= w.sent+n-w.limit {
			w.need.Store(math.MaxInt64)
			w.sent += n
			if w.waiting > 0 {
				w.moved.Broadcast() // need was what they wait for, too
			}
			return true
		}
		w.waiting++
		w.moved.Wait()
		w.waiting--
	}
	return false
}

// deliver counts n messages that came to a subscriber.
func (w *window) deliver(subscriber int, n int64) {
	after := w.delivered[subscriber].Add(n)
	need := w.need.Load()
	// Among those who receive everything, only one that has just reached what
	// is needed can be the last to.
	if !w.shared && (after < need || after-n >= need) {
		return
	}
	if w.progress() >= need {
		w.mu.Lock()
		w.moved.Broadcast()
		w.mu.Unlock()
	}
}

// stop ends the publishing.
func (w *window) stop() {
	w.mu.Lock()
	w.stopped = true
	w.moved.Broadcast()
	w.mu.Unlock()
}

// drain waits until all that was published is delivered, or, looking again at
// stop, until giveUp says so.
func (w *window) drain(giveUp func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		w.need.Store(w.sent)
		if w.progress() >= w.sent || giveUp() {
			w.need.Store(math.MaxInt64)
			return
		}
		w.moved.Wait()
	}
}

// published is how many messages were.
func (w *window) published() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent
}
