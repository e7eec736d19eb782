package subscriber

import (
	"context"
	"sync"
	"time"

	"vigil/internal/wire"
)

// msgID is the header that names a message, as JetStream has it.
const msgID = "Nats-Msg-Id"

// pending is the bounded queue between the connection's reader and a
// subscription's consumers. The reader takes its lock and wakes a consumer once
// for all that a read brought.
type pending struct {
	// Fixed after construction.
	maxMessages, maxBytes int           // negative is no bound
	oldest                bool          // the oldest give way, not the newest
	ready                 chan struct{} // holds a token when an idle consumer shall look
	room                  chan struct{} // holds a token when the reader waits and there is room
	finished              chan struct{} // closed when nothing is left and nothing will come

	mu sync.Mutex

	// Guarded by mu.
	queue    spans
	messages int // in queue
	bytes    int // their cost
	busy     int // consumers that are handling a message
	idle     int // consumers that wait for one
	counts   counts
	full     bool // messages were dropped, and half of the room was not free since
	wanted   int  // the cost of the message for which the reader waits for room, 0 for none
	ending   bool // nothing will come any more
	ended    bool // finished is closed
	err      error
	repeats  *repeats // nil if they are not dropped
}

// counts are what a subscription counts.
type counts struct {
	delivered int64 // handed to a consumer
	dropped   int64 // for want of room
	repeats   int64 // not handed to a consumer a second time
}

func (c *counts) add(o counts) {
	c.delivered += o.delivered
	c.dropped += o.dropped
	c.repeats += o.repeats
}

func newPending(o options) *pending {
	return &pending{
		maxMessages: o.maxPending, maxBytes: o.maxBytes,
		oldest:   o.overflow == dropOldest,
		ready:    make(chan struct{}, 1),
		room:     make(chan struct{}, 1),
		finished: make(chan struct{}),
		repeats:  newRepeats(o),
	}
}

// put queues the messages of batch and returns those for which there was no room.
// Then the caller may wait for room and put them again, or drop them. If the
// oldest give way, all are taken, and dropped says how many went for them. It
// writes to batch.
func (p *pending) put(batch []span) (left []span, dropped int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending {
		return nil, 0 // nobody wants them any more
	}
	for len(batch) > 0 {
		s := &batch[0]
		from := s.from
		for ; s.from < s.to; s.from++ {
			cost := s.block.entries[s.from].cost()
			if !p.fits(cost) {
				if !p.oldest {
					break
				}
				// What this call has taken goes into the queue first: it may be
				// among the oldest.
				p.push(span{s.block, from, s.from})
				from = s.from
				dropped += p.makeRoom(cost)
			}
			p.messages++
			p.bytes += cost
			s.block.left++
		}
		p.push(span{s.block, from, s.from})
		if s.from < s.to {
			break
		}
		batch = batch[1:]
	}
	p.counts.dropped += int64(dropped)
	if p.idle > 0 && p.messages > 0 {
		signal(p.ready)
	}
	return batch, dropped
}

// push adds a span to the queue unless it is empty. mu is held.
func (p *pending) push(s span) {
	if s.from < s.to {
		p.queue.push(s)
	}
}

// makeRoom drops the oldest messages until there is room, and returns how many.
// mu is held.
func (p *pending) makeRoom(cost int) (dropped int) {
	for ; !p.fits(cost); dropped++ {
		b, _ := p.pop()
		b.release()
	}
	return dropped
}

// fits reports whether there is room for a message: an empty queue has it for
// any. mu is held.
func (p *pending) fits(cost int) bool {
	return (p.maxMessages < 0 || p.messages < p.maxMessages) &&
		(p.maxBytes < 0 || p.messages == 0 || p.bytes+cost <= p.maxBytes)
}

// halfFree reports whether at most half of the room is taken. mu is held.
func (p *pending) halfFree() bool {
	return (p.maxMessages < 0 || p.messages <= p.maxMessages/2) && (p.maxBytes < 0 || p.bytes <= p.maxBytes/2)
}

// pop takes the oldest message off the queue. mu is held.
func (p *pending) pop() (b *block, i int) {
	b, i = p.queue.pop()
	p.messages--
	p.bytes -= b.entries[i].cost()
	if (p.wanted > 0 || p.full) && p.halfFree() {
		p.full = false
		if p.wanted > 0 && p.fits(p.wanted) {
			p.wanted = 0
			signal(p.room)
		}
	}
	return b, i
}

// isFull reports whether messages were dropped and the consumer has not caught
// up since: then it is no use to wait for room.
func (p *pending) isFull() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.full
}

// awaitRoom waits until half of the room is free, and that is enough for a
// message, or until d has passed or ctx ends.
func (p *pending) awaitRoom(ctx context.Context, cost int, d time.Duration) {
	p.mu.Lock()
	// The consumer may have caught up since put.
	wait := !p.ending && !(p.halfFree() && p.fits(cost))
	if wait {
		p.wanted = cost
	}
	p.mu.Unlock()
	if !wait {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.room:
	case <-timer.C:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = 0
	select {
	case <-p.room:
	default:
	}
}

// drop counts messages for which there was no room.
func (p *pending) drop(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.dropped += int64(n)
	p.full = true
}

// release says that the reader is done with these blocks.
func (p *pending) release(used []*block) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range used {
		b.release()
	}
}

// isRepeat reports whether a message with the same identifier was handed out
// before. mu is held.
func (p *pending) isRepeat(b *block, i int) bool {
	if p.repeats == nil || b.entries[i].header == 0 {
		return false
	}
	_, _, header, _ := b.parts(i)
	id, ok := wire.FindHeader(header, msgID)
	return ok && p.repeats.isRepeat(id, time.Now())
}

// end says that nothing will come any more. What waits is left to the
// consumers, or dropped when keep is false. It returns how many messages wait or
// were dropped.
func (p *pending) end(keep bool, err error) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.messages
	if !p.ending || !keep && !p.ended {
		p.ending, p.err = true, err
	}
	if !keep {
		p.queue, p.messages, p.bytes = spans{}, 0, 0
	}
	p.finish()
	signal(p.ready)
	signal(p.room)
	return n
}

// finish notes the end when there is nothing left to do, and has every consumer
// that waits see that none will come. mu is held.
func (p *pending) finish() {
	if !p.ending {
		return
	}
	if p.idle > 0 {
		signal(p.ready)
	}
	if !p.ended && p.busy == 0 && p.messages == 0 {
		p.ended = true
		close(p.finished)
	}
}

// isFinished reports whether nothing is left and nothing will come.
func (p *pending) isFinished() bool {
	select {
	case <-p.finished:
		return true
	default:
		return false
	}
}

// signal puts a token into a channel that holds one, unless it is there.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// level returns how much waits, in messages and bytes, and how many messages are
// being handled.
func (p *pending) level() (messages, bytes, busy int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.messages, p.bytes, p.busy
}

// count returns what was counted.
func (p *pending) count() counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}
