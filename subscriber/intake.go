package subscriber

import (
	"time"

	"vigil/internal/wire"
)

// intake is what the connection's reader collects for a subscription during one
// read. All of it is owned by the reader.
type intake struct {
	blocks []*block // the last is being filled
	batch  []span   // what of them is to be queued
	came   int64    // messages over all reads
}

// receive is called by the connection's reader with every message. op's memory
// will be used again.
func (s *Subscription) receive(op *wire.Op) {
	in := &s.intake
	if in.came >= s.opts.max {
		return // what was under way when the broker was told how many are wanted
	}
	in.came++
	if len(in.blocks) == 0 {
		s.subscriber.collected = append(s.subscriber.collected, s)
		in.blocks = append(in.blocks, newBlock(0))
	}
	for !in.blocks[len(in.blocks)-1].add(op) {
		in.blocks = append(in.blocks, newBlock(min(len(in.blocks), blockSizes-1)))
	}
}

// handOver is called by the connection's reader behind every read. It gives the
// subscriptions what the read brought for them.
func (s *Subscriber) handOver() {
	for i, sub := range s.collected {
		sub.handOver()
		s.collected[i] = nil
	}
	s.collected = s.collected[:0]
}

func (s *Subscription) handOver() {
	in, p := &s.intake, s.pending
	for _, b := range in.blocks {
		in.batch = append(in.batch, span{b, 0, len(b.entries)})
	}
	left, dropped := p.put(in.batch)
	if len(left) > 0 {
		if n := count(s.hold(left)); n > 0 {
			dropped += n
			p.drop(n)
		}
	}
	if dropped > 0 {
		s.drops.note(dropped)
	}
	p.release(in.blocks)
	in.batch, in.blocks = emptied(in.batch), emptied(in.blocks)
	if in.came >= s.opts.max {
		s.end(nil)
	}
}

// hold keeps the reader from reading on until there is room for what is left, as
// long as that is allowed. It returns those for which there is none.
func (s *Subscription) hold(left []span) []span {
	began := time.Now()
	defer func() { s.subscriber.held.Add(int64(time.Since(began))) }()
	for now := began; len(left) > 0 && !s.pending.isFull(); {
		d := s.allowance(now, began)
		if d <= 0 || s.subscriber.ctx.Err() != nil {
			break
		}
		next := &left[0].block.entries[left[0].from]
		s.pending.awaitRoom(s.subscriber.ctx, next.cost(), d)
		before := now
		now = time.Now()
		s.subscriber.patience.spend(now.Sub(before))
		left, _ = s.pending.put(left)
	}
	return left
}

// count returns how many messages there are.
func count(batch []span) int {
	n := 0
	for _, s := range batch {
		n += s.to - s.from
	}
	return n
}

// allowance returns how long the reader may be held now, having been held since
// began.
func (s *Subscription) allowance(now, began time.Time) time.Duration {
	switch s.opts.overflow {
	case holdBriefly:
		return s.subscriber.patience.allowance(now)
	case holdUpTo:
		return s.opts.block - now.Sub(began)
	}
	return 0
}
