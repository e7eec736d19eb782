package broker

import "vigil/internal/wire"

// fanOut is a route to which a whole batch may lead: then each message is staged
// once for all subscribers that get the very same bytes, which those do that run
// the same program, since their subscriptions have the same sid. The copies that
// many stages would be do not fit the processor's caches, and are most of what a
// message costs that is not the kernel's.
//
//	batch to one subject ──► copy for sid 1 ──► the outbox of each with sid 1
//	                    └──► copy for sid 7 ──► the outbox of each with sid 7
//
// A publisher holds a claim on all destinations meanwhile, as it does for what it
// stages. When a message of the batch leads elsewhere, what was staged is copied to
// the destinations' own stages, so that the order of all that one publisher sends
// to one subscriber stays.
type fanOut struct {
	copies []sharedCopy
	// messages counts those in each copy.
	messages tally
}

// sharedCopy is what is staged for all subscriptions with one start.
type sharedCopy struct {
	start   string
	targets []*target
	buf     []byte
	// size is what the last batch came to: the next buffer's size.
	size int
}

// newFanOut returns nil if the route is none. A queue group's message has one
// subscriber, the publisher itself may want no echo, and who has two
// subscriptions is to see their messages in order.
func newFanOut(publisher *client, r *route) *fanOut {
	if len(r.plain) == 0 || len(r.groups) > 0 {
		return nil
	}
	f := new(fanOut)
	byStart := make(map[string]int)
	seen := make(map[*stage]bool)
	for i := range r.plain {
		t := &r.plain[i]
		if t.sub.owner == publisher || seen[t.stage] {
			return nil
		}
		seen[t.stage] = true
		at, ok := byStart[t.start]
		if !ok {
			at = len(f.copies)
			byStart[t.start] = at
			f.copies = append(f.copies, sharedCopy{start: t.start})
		}
		c := &f.copies[at]
		c.targets = append(c.targets, t)
	}
	return f
}

// fanOutTo makes f what the batch is staged for, if nothing is staged yet, and
// reports whether it did.
func (p *publisher) fanOutTo(f *fanOut) bool {
	if len(p.dirty) > 0 {
		return false
	}
	for i := range f.copies {
		for _, t := range f.copies[i].targets {
			p.claim(t.stage)
		}
	}
	// First the claims, then the look at whether a subscription has ended or is
	// counted one by one: whoever changes that waits for the claims behind it.
	for i := range f.copies {
		for _, t := range f.copies[i].targets {
			if t.sub.max.Load() != 0 {
				return false
			}
		}
	}
	p.fan = f
	return true
}

// stageShared stages a message once for each copy.
func (p *publisher) stageShared(op *wire.Op) {
	f, full := p.fan, false
	f.messages.message(op.Frame)
	for i := range f.copies {
		c := &f.copies[i]
		if need := len(c.start) + len(op.Tail); cap(c.buf)-len(c.buf) < need {
			c.buf = p.grow(c.buf, need, c.size)
		}
		c.buf = append(append(c.buf, c.start...), op.Tail...)
		full = full || len(c.buf) >= stageFull
	}
	if full || p.staged >= maxStaged {
		p.flush()
	}
}

// handOverShared gives the copies to the destinations' outboxes, and appends those
// that are congested.
func (p *publisher) handOverShared(congested []*client) []*client {
	f := p.fan
	p.fan = nil
	for i := range f.copies {
		c := &f.copies[i]
		for _, t := range c.targets {
			s := t.stage
			s.dirty = false
			t.uncounted = f.messages.messages
			t.count() // before the claim ends, see routing.countExactly
			s.delivered = f.messages
			s.count()
			if s.to.out.sendShared(c.buf, s.claim) {
				congested = append(congested, s.to)
			}
		}
		c.size = len(c.buf)
		putBuffer(c.buf)
		c.buf = nil
	}
	f.messages = tally{}
	return congested
}

// part copies what is staged to the destinations' own stages, since the batch goes
// on to others.
func (p *publisher) part() {
	f := p.fan
	p.fan = nil
	for i := range f.copies {
		c := &f.copies[i]
		for _, t := range c.targets {
			s := t.stage
			p.open(s, len(c.buf))
			s.buf = append(s.buf, c.buf...)
			t.uncounted = f.messages.messages
			s.uncounted = append(s.uncounted, t)
			s.delivered = f.messages
		}
		p.staged -= cap(c.buf)
		putBuffer(c.buf)
		c.buf = nil
	}
	f.messages = tally{}
	if p.staged >= maxStaged {
		p.flush()
	}
}
