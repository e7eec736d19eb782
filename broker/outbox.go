package broker

import (
	"slices"
	"sync"
	"time"
)

// outbox carries output to one client's stream.
//
// Whoever has output calls send. If nothing waits, the sender writes it itself,
// without waiting for the stream. What the stream does not take at once is
// queued, and written on when the stream calls writable; for one that cannot
// call, a writer goroutine writes until the queue is empty. So a client that
// keeps up costs its publishers one system call for a batch, and nobody waits
// for one that does not.
//
// The mutex is never held over a system call.
type outbox struct {
	// Fixed after construction.
	stream   transport
	calls    bool          // the stream calls writable
	limit    int           // bytes that may wait
	mark     int           // bytes that may wait before publishers are held back
	deadline time.Duration // how long the stream may take nothing
	broken   func(reason closeReason)
	account  *memoryAccount
	// spawn runs the writer goroutine and lets Shutdown wait for it.
	spawn func(func())

	mu sync.Mutex
	// queue holds what waits, oldest first, each a pooled buffer. The first
	// sent bytes of queue[0] are written already.
	queue [][]byte
	sent  int
	// inline is where an empty queue starts, so that a client that keeps up
	// never allocates one.
	inline [2][]byte
	// pending counts the bytes that wait.
	pending int
	// held is the capacity of the queued buffers, charged what of it the
	// account knows: none of what is written without waiting.
	held, charged int
	// writing is set while someone writes to the stream, or is going to: a
	// sender, the writer goroutine, or whom the stream calls.
	writing bool
	// parked is set while writing is left to whom the stream calls; called that
	// it has called while somebody was writing.
	parked, called bool
	// overdue runs while something waits, and fires when the stream has taken
	// nothing for the deadline; nil when nothing does.
	overdue *time.Timer
	// closed discards everything from then on.
	closed bool
	// ending closes the client when the queue is empty.
	ending bool
	// progressed is when the stream last took a byte; meaningful while
	// pending > 0.
	progressed time.Time
	// gap is how long the stream has lately taken nothing between taking
	// something, at most: what it does at its slowest while it is well.
	gap time.Duration
	// drained is closed when pending falls below resume; nil when nobody waits
	// for it.
	drained chan struct{}
	resume  int
	// flushed is closed when what was queued at finish is written or
	// discarded; nil before finish.
	flushed chan struct{}

	// claims counts the publishers that hold output for this client which
	// they have not sent yet: on one side those who began before the last
	// settle, on the other those since.
	claims [2]int
	side   claim
	// settled is closed when claims of the older side reach 0; nil when
	// nobody waits for it.
	settled chan struct{}
}

const (
	// congestion is what may wait for a client before those who publish to it
	// are held back, in bytes, if half the limit is not less. It is well above
	// what a client that keeps up ever has, and bounds how old its messages
	// get.
	congestion = 4 << 20
	// stuckAfter is how long a client's socket takes nothing before nobody
	// waits for it any more, unless it is known to drain in longer steps, up to
	// half of maxPatience.
	stuckAfter  = 50 * time.Millisecond
	maxPatience = time.Second
	// pressed is what may wait for a client before publishers are held back
	// when the memory budget is half used, in bytes: what two reads bring.
	pressed = 128 << 10
	// burst is how many queued buffers are written at a time, before others
	// have their turn.
	burst = 8
)

// send takes over b, a pooled buffer, and writes or queues it. It reports
// whether the client is congested and still taking bytes, so that the sender
// had better wait.
func (o *outbox) send(b []byte) (congested bool) {
	o.mu.Lock()
	return o.sendLocked(b)
}

// sendLocked is send with mu held; it releases it.
func (o *outbox) sendLocked(b []byte) (congested bool) {
	if !o.opensLocked(b) {
		return false
	}
	o.push(b)
	return o.pushedLocked()
}

// sendFirst is send for what need not stand behind what waits: it goes to the
// front of the queue, behind the buffer that is being written, which ends with
// a whole operation as every buffer does.
func (o *outbox) sendFirst(b []byte) {
	o.mu.Lock()
	if !o.opensLocked(b) {
		return
	}
	o.pending += len(b)
	o.held += cap(b)
	o.queue = slices.Insert(o.queue, min(1, len(o.queue)), b)
	o.pushedLocked()
}

// opensLocked makes the outbox ready to queue b. If it takes nothing any more,
// it gives b back, releases mu and reports false.
func (o *outbox) opensLocked(b []byte) bool {
	if o.closed || o.ending || len(b) == 0 {
		o.mu.Unlock()
		putBuffer(b)
		return false
	}
	if o.queue == nil {
		o.queue = o.inline[:0]
	}
	if o.pending == 0 {
		o.progressed = time.Time{}
	}
	return true
}

// pushedLocked sees to what was queued, and releases mu.
func (o *outbox) pushedLocked() (congested bool) {
	if o.pending > o.limit {
		o.discardLocked()
		o.mu.Unlock()
		o.broken(slowPending)
		return false
	}
	if o.writing {
		congested = o.pending > o.markLocked() && !o.stuckLocked()
		o.chargeLocked()
		o.mu.Unlock()
		o.account.check()
		return congested
	}
	o.writing = true
	o.mu.Unlock()
	o.writeNow()
	return false
}

// push queues b, in the last buffer if that has room.
func (o *outbox) push(b []byte) {
	o.pending += len(b)
	if last := len(o.queue) - 1; last >= 0 {
		// The writer may be at this buffer's earlier bytes; these are behind.
		if tail := o.queue[last]; cap(tail)-len(tail) >= len(b) {
			o.queue[last] = append(tail, b...)
			putBuffer(b)
			return
		}
	}
	o.queue = append(o.queue, b)
	o.held += cap(b)
}

// queueFirst queues b, the rest of what the caller has begun to write, ahead of
// what came meanwhile; progress says whether the stream took the rest of it. It
// reports false if nobody is to write any more.
func (o *outbox) queueFirst(b []byte, progress bool) bool {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		putBuffer(b)
		return false
	}
	if o.queue == nil {
		o.queue = o.inline[:0]
	}
	if o.progressed = (time.Time{}); progress {
		o.progressed = time.Now()
	}
	o.pending += len(b)
	o.held += cap(b)
	o.queue = slices.Insert(o.queue, 0, b)
	over := o.pending > o.limit
	if over {
		o.discardLocked()
	}
	o.mu.Unlock()
	if over {
		o.broken(slowPending)
	}
	return !over
}

// chargeLocked tells the account what is held.
func (o *outbox) chargeLocked() {
	if o.held != o.charged {
		o.account.charge(o.held - o.charged)
		o.charged = o.held
	}
}

// endLocked tells, when the outbox is ending and everything is written, that it
// has ended. It releases mu.
func (o *outbox) endLocked() {
	if !o.ending || o.closed || o.writing {
		o.mu.Unlock()
		return
	}
	o.discardLocked()
	o.mu.Unlock()
	o.broken(finished)
}

// empty reports whether nothing waits to be written.
func (o *outbox) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pending == 0 && !o.writing
}

// finish takes nothing more and lets what is queued go out. The channel is
// closed when it has, or was discarded.
func (o *outbox) finish() <-chan struct{} {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return closedChannel
	}
	if o.flushed == nil {
		o.flushed = make(chan struct{})
	}
	flushed := o.flushed
	o.ending = true
	o.endLocked()
	return flushed
}

// discard drops what is queued and all that comes.
func (o *outbox) discard() {
	o.mu.Lock()
	o.discardLocked()
	o.mu.Unlock()
}

// discardLocked leaves the first buffer of the queue to the collector, since
// someone may be writing it.
func (o *outbox) discardLocked() {
	o.closed = true
	for i, b := range o.queue {
		if i > 0 || !o.writing || o.parked {
			putBuffer(b)
		}
	}
	o.inline = [2][]byte{}
	o.queue, o.sent, o.pending, o.held = nil, 0, 0, 0
	o.chargeLocked()
	if o.overdue != nil {
		o.overdue.Stop()
		o.overdue = nil
	}
	if o.drained != nil {
		close(o.drained)
		o.drained = nil
	}
	if o.flushed != nil {
		close(o.flushed)
		o.flushed = nil
	}
}

func (o *outbox) fail(reason closeReason) {
	o.discard()
	o.broken(reason)
}
