package subscriber

import (
	"sync"
)

// pending is the bounded queue between the connection's reader, which never
// waits, and a subscription's consumers.
type pending struct {
	// Fixed after construction.
	maxMessages, maxBytes int           // negative is no bound
	ready                 chan struct{} // holds a token when something changed
	finished              chan struct{} // closed when nothing is left and nothing will come

	mu sync.Mutex

	// Guarded by mu.
	messages  []*Msg // those from head on
	head      int
	bytes     int
	busy      int   // consumers that are handling a message
	delivered int64 // handed to a consumer
	dropped   int64
	slow      bool  // an episode of dropping lasts
	ending    bool  // nothing will come any more
	ended     bool  // finished is closed
	err       error // how Messages ends, set with ending
}

func newPending(cfg Config) *pending {
	return &pending{
		maxMessages: cfg.MaxPending, maxBytes: cfg.MaxPendingBytes,
		ready:    make(chan struct{}, 1),
		finished: make(chan struct{}),
	}
}

// put queues a message. It returns an error for the first message dropped in
// an episode, which lasts until the queue is half empty again.
func (p *pending) put(m *Msg) *SlowConsumerError {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return nil
	}
	n := len(p.messages) - p.head
	if p.maxMessages >= 0 && n >= p.maxMessages || p.maxBytes >= 0 && p.bytes+m.size() > p.maxBytes {
		p.dropped++
		if p.slow {
			return nil
		}
		p.slow = true
		return &SlowConsumerError{Pending: n, PendingBytes: p.bytes, Dropped: p.dropped}
	}
	if p.slow && n <= p.maxMessages/2 && p.bytes <= p.maxBytes/2 {
		p.slow = false
	}
	if p.head > 0 && len(p.messages) == cap(p.messages) && p.head >= n {
		clear(p.messages[copy(p.messages, p.messages[p.head:]):])
		p.messages, p.head = p.messages[:n], 0
	}
	p.messages = append(p.messages, m)
	p.bytes += m.size()
	p.signal()
	return nil
}

// take returns the oldest message. Without one it says whether none will come.
// A consumer that got a message is busy until it calls done.
func (p *pending) take() (m *Msg, ended bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.head == len(p.messages) {
		if p.ending {
			p.signal() // for the next consumer
		}
		return nil, p.ending, p.err
	}
	m = p.messages[p.head]
	p.messages[p.head] = nil
	p.head++
	p.bytes -= m.size()
	if p.head == len(p.messages) {
		p.messages, p.head = p.messages[:0], 0
	} else {
		p.signal()
	}
	p.busy++
	p.delivered++
	return m, false, nil
}

// done says that a consumer has handled what it took. It reports whether that
// was the last message ever.
func (p *pending) done() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	p.finish()
	return p.ended
}

// end says that nothing will come any more. What waits is left to the
// consumers, or dropped when keep is false. It returns how many messages wait or
// were dropped, and whether all that came is handled.
func (p *pending) end(keep bool, err error) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.messages) - p.head
	if !p.ending || !keep && !p.ended {
		p.ending, p.err = true, err
	}
	if !keep {
		p.messages, p.head, p.bytes = nil, 0, 0
	}
	p.finish()
	p.signal()
	return n, p.ended
}

// finish notes the end when there is nothing left to do. mu is held.
func (p *pending) finish() {
	if p.ending && !p.ended && p.busy == 0 && p.head == len(p.messages) {
		p.ended = true
		close(p.finished)
	}
}

// signal wakes a consumer. mu is held.
func (p *pending) signal() {
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// count returns what waits and what was counted.
func (p *pending) count() (waiting, busy int, delivered, dropped int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.messages) - p.head, p.busy, p.delivered, p.dropped
}
