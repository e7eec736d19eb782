package subscriber

import (
	"sync"
	"time"
)

// minEpisode is how long an episode of dropping lasts at least, so that a queue
// which is full again and again does not flood the events.
const minEpisode = time.Second

// pending is the bounded queue between the connection's reader, which never
// waits, and a subscription's consumers.
type pending struct {
	// Fixed after construction.
	maxMessages, maxBytes int           // negative is no bound
	ready                 chan struct{} // holds a token when something changed
	room                  chan struct{} // holds a token when the reader waits and half is free
	finished              chan struct{} // closed when nothing is left and nothing will come

	mu sync.Mutex

	// Guarded by mu.
	messages  []*Msg // those from head on
	head      int
	bytes     int
	busy      int   // consumers that are handling a message
	delivered int64 // handed to a consumer
	dropped   int64
	slow      bool // an episode of dropping lasts
	slowSince time.Time
	wanted    bool  // the reader waits for room
	ending    bool  // nothing will come any more
	ended     bool  // finished is closed
	err       error // how Messages ends, set with ending
}

func newPending(cfg Config) *pending {
	return &pending{
		maxMessages: cfg.MaxPending, maxBytes: cfg.MaxPendingBytes,
		ready:    make(chan struct{}, 1),
		room:     make(chan struct{}, 1),
		finished: make(chan struct{}),
	}
}

// put queues a message and reports whether there was no room for it. Then the
// caller may wait for room and put it again, or drop it.
func (p *pending) put(m *Msg) (full bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return false // nobody wants it any more
	}
	n := len(p.messages) - p.head
	if p.maxMessages >= 0 && n >= p.maxMessages || p.maxBytes >= 0 && n > 0 && p.bytes+m.size() > p.maxBytes {
		return true
	}
	if p.slow && p.below(2) && time.Since(p.slowSince) >= minEpisode {
		p.slow = false
	}
	if p.head > 0 && len(p.messages) == cap(p.messages) && p.head >= n {
		clear(p.messages[copy(p.messages, p.messages[p.head:]):])
		p.messages, p.head = p.messages[:n], 0
	}
	p.messages = append(p.messages, m)
	p.bytes += m.size()
	signal(p.ready)
	return false
}

// below reports whether at most one part in so many of the room is taken. mu is
// held.
func (p *pending) below(parts int) bool {
	return (p.maxMessages < 0 || len(p.messages)-p.head <= p.maxMessages/parts) &&
		(p.maxBytes < 0 || p.bytes <= p.maxBytes/parts)
}

// isSlow reports whether an episode of dropping lasts: then it is no use to wait
// for room.
func (p *pending) isSlow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slow
}

// awaitRoom waits until half of the room is free, or d has passed.
func (p *pending) awaitRoom(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	p.mu.Lock()
	p.wanted = !p.below(2) // the consumer may have caught up since put
	wait := p.wanted
	p.mu.Unlock()
	if !wait {
		return
	}
	select {
	case <-p.room:
	case <-p.finished:
	case <-timer.C:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = false
	select {
	case <-p.room:
	default:
	}
}

// drop counts a message for which there was no room. It returns an error for
// the first of an episode, which lasts until the queue is half empty, and for
// minEpisode at least.
func (p *pending) drop() *SlowConsumerError {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropped++
	if p.slow {
		return nil
	}
	p.slow, p.slowSince = true, time.Now()
	return &SlowConsumerError{Pending: len(p.messages) - p.head, PendingBytes: p.bytes, Dropped: p.dropped}
}

// take returns the oldest message. Without one it says whether none will come.
// A consumer that got a message is busy until it calls done.
func (p *pending) take() (m *Msg, ended bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.head == len(p.messages) {
		if p.ending {
			signal(p.ready) // for the next consumer
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
		signal(p.ready)
	}
	if p.wanted && p.below(2) {
		p.wanted = false
		signal(p.room)
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
	signal(p.ready)
	signal(p.room)
	return n, p.ended
}

// finish notes the end when there is nothing left to do. mu is held.
func (p *pending) finish() {
	if p.ending && !p.ended && p.busy == 0 && p.head == len(p.messages) {
		p.ended = true
		close(p.finished)
	}
}

// signal puts a token into a channel that holds one, unless it is there.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// count returns what waits and what was counted.
func (p *pending) count() (waiting, busy int, delivered, dropped int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.messages) - p.head, p.busy, p.delivered, p.dropped
}
