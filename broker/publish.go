package broker

import (
	"math/rand/v2"
	"time"

	"vigil/internal/wire"
)

// publisher routes what one client publishes. It belongs to the client's read
// loop.
//
// While a batch of input is parsed, deliveries are staged: each destination has
// a buffer here that nobody else sees, so that a message costs no lock. Behind
// the batch every staged buffer is handed to its destination's outbox. The
// client's own replies are staged in the same way and handed over last, so that
// a PONG is never ahead of what the client published before its PING.
type publisher struct {
	client *client
	routes *routing

	routeCache
	// stages are the destinations the cached routes refer to.
	stages map[*client]*stage

	self  stage
	dirty []*stage
	// staged counts the bytes of the dirty stages' buffers.
	staged int
	// published counts the client's messages of this batch.
	published tally
	// fan is what the batch is staged for as long as all of it leads there; nil
	// for a batch that has stages alone, or nothing yet.
	fan *fanOut
	// bulk says that the batch has manyBytes.
	bulk bool
	// patience is how long this batch may still be held back.
	patience time.Duration
}

// stage collects output for one destination.
type stage struct {
	to  *client
	buf []byte
	// dirty is set while the stage is in the publisher's list, and holds a
	// claim on the destination's outbox.
	dirty bool
	claim claim
	// size is what the last batch came to: the next buffer's size.
	size int
	// delivered counts the messages in buf; work says that one of them was for
	// a queue group.
	delivered tally
	work      bool
	// uncounted are the subscriptions that messages in buf are for.
	uncounted []*target
}

// count tells the subscriptions how many messages they had.
func (s *stage) count() {
	for i, t := range s.uncounted {
		t.count()
		s.uncounted[i] = nil
	}
	s.uncounted = s.uncounted[:0]
	s.delivered.moveTo(&s.to.stats.outMsgs, &s.to.stats.outBytes)
}

const (
	// stageFull is when a stage is handed over before the batch ends: just
	// before it needs a larger buffer.
	stageFull = readBuffer - 2<<10
	// maxStaged bounds what one publisher has staged for all destinations: a
	// full read to many subscribers is handed over in parts.
	maxStaged = 16 << 20
	// manyBytes for somebody, and manyDestinations, are what takes so long to
	// pass on that somebody else had better look what has come meanwhile.
	manyBytes        = 8 << 10
	manyDestinations = 16
	// holdBack is how long one batch may wait for congested destinations.
	holdBack = 10 * time.Millisecond
)

func (p *publisher) init(c *client) {
	p.client, p.routes = c, c.broker.routes
	p.self.to = c
}

// own returns the stage for the client's own replies, ready to append to.
func (p *publisher) own() *stage {
	p.open(&p.self, 0)
	return &p.self
}

// route delivers a message to everyone its subject leads to.
func (p *publisher) route(op *wire.Op) {
	p.published.message(op.Frame)
	r := p.lookup(op.Subject)
	switch {
	case r.fan != nil && op.Tail != nil && (r.fan == p.fan || p.fan == nil && p.fanOutTo(r.fan)):
		p.stageShared(op)
		return
	case p.fan != nil:
		p.part()
	}
	delivered := false
	for i := range r.plain {
		if p.deliver(&r.plain[i], op) {
			delivered = true
		}
	}
	for _, members := range r.groups {
		if p.deliverOne(members, op) {
			delivered = true
		}
	}
	if !delivered && op.Reply != nil && p.client.session.options.NoResponders {
		p.noResponders(op)
	}
}

// deliver stages the copy of one subscription, unless it is not to get one.
func (p *publisher) deliver(t *target, op *wire.Op) bool {
	if t.sub.owner == p.client && !p.client.session.options.Echo {
		return false
	}
	s := t.stage
	if len(op.Frame) >= stageFull && t.sub.owner.account.gone() {
		return false // a large copy that would be thrown away
	}
	need := len(op.Subject) + len(t.sub.sid()) + len(op.Reply) + len(op.Frame) + wire.MsgOverhead
	// First the claim, then the look at whether the subscription has ended: its
	// owner ends it first and then waits for the claims, see client.settle.
	p.open(s, need)
	ok, over := t.take(p.routes)
	if over {
		p.routes.remove(t.sub)
	}
	if !ok {
		return false
	}
	if t.uncounted == 1 {
		s.uncounted = append(s.uncounted, t)
	}
	if t.start != "" && op.Tail != nil {
		s.buf = append(append(s.buf, t.start...), op.Tail...)
	} else {
		s.buf = wire.AppendMsg(s.buf, op, t.sub.sid(), t.sub.owner.headers.Load())
	}
	s.delivered.message(op.Frame)
	if len(s.buf) >= stageFull || p.staged >= maxStaged {
		p.flush()
	}
	return true
}

// deliverOne delivers to one member of a queue group, chosen at random among
// those that are not suspect, or among all if all are. One that cannot take the
// message leaves it to the next.
func (p *publisher) deliverOne(members []target, op *wire.Op) bool {
	first := choose(members)
	if p.deliverWork(&members[first], op) {
		return true
	}
	for _, suspect := range [...]bool{false, true} {
		for i := 1; i < len(members); i++ {
			t := &members[(first+i)%len(members)]
			if (suspect || !t.sub.owner.suspect.Load()) && p.deliverWork(t, op) {
				return true
			}
		}
	}
	return false
}

// choose returns the index of a random member that is not suspect, of any if
// all are.
func choose(members []target) int {
	first := rand.IntN(len(members))
	if !members[first].sub.owner.suspect.Load() {
		return first
	}
	healthy := 0
	for i := range members {
		if !members[i].sub.owner.suspect.Load() {
			if healthy++; rand.IntN(healthy) == 0 { // each of them as likely
				first = i
			}
		}
	}
	return first
}

// deliverWork is deliver to a member of a queue group, which is to answer for
// it: see liveness.hurry.
func (p *publisher) deliverWork(t *target, op *wire.Op) bool {
	t.stage.work = true
	return p.deliver(t, op)
}

// noResponders tells the publisher that its request reached nobody, if it
// listens for the reply itself.
func (p *publisher) noResponders(op *wire.Op) {
	if s := p.routes.plainOf(p.client, op.Reply); s != nil {
		own := p.own()
		own.buf = wire.AppendNoResponders(own.buf, op.Reply, s.sid(), op.Subject)
	}
}

// open makes sure that s has room for need more bytes and will be flushed.
func (p *publisher) open(s *stage, need int) {
	if !s.dirty {
		p.claim(s)
	}
	if s.buf == nil || cap(s.buf)-len(s.buf) < need {
		s.buf = p.grow(s.buf, need, s.size)
	}
}

// claim makes sure that s will be flushed.
func (p *publisher) claim(s *stage) {
	s.dirty = true
	if s == &p.self {
		return
	}
	s.claim = s.to.out.claim()
	p.dirty = append(p.dirty, s)
	if n := len(p.dirty); n == manyDestinations || n == 1 && p.bulk {
		p.client.assist()
	}
}

// grow returns b, what is staged, in a buffer that has room for need more bytes; a
// new one has room for size at least.
func (p *publisher) grow(b []byte, need, size int) []byte {
	if b == nil {
		b = getBuffer(max(need, size))
		p.staged += cap(b)
		return b
	}
	grown := append(getBuffer(max(2*cap(b), len(b)+need)), b...)
	p.staged += cap(grown) - cap(b)
	putBuffer(b)
	return grown
}

// flush hands every staged buffer over, the client's own last, and then waits
// for those destinations that are congested but taking, for a moment.
func (p *publisher) flush() {
	p.published.moveTo(&p.client.stats.inMsgs, &p.client.stats.inBytes)
	if p.cached != p.charged {
		p.client.account.charge(p.cached - p.charged)
		p.charged = p.cached
	}
	congested := p.handOver()
	if s := &p.self; s.dirty {
		b := s.buf
		s.dirty, s.buf, s.size = false, nil, len(b)
		s.count()
		s.to.out.send(b)
	}
	p.staged = 0
	if len(congested) > 0 && p.patience > 0 {
		p.client.wait(func() { p.hold(congested) })
	}
}

// handOver gives what is staged for others to their outboxes and returns those
// that are congested.
func (p *publisher) handOver() (congested []*client) {
	if p.fan != nil { // then nothing else is staged
		congested = p.handOverShared(congested)
		clear(p.dirty)
		p.dirty = p.dirty[:0]
	}
	for i, s := range p.dirty {
		p.dirty[i] = nil
		b := s.buf
		s.dirty, s.buf, s.size = false, nil, len(b)
		s.count() // before the claim ends, see routing.countExactly
		if s.to.out.sendClaimed(b, s.claim) {
			congested = append(congested, s.to)
		}
		if s.work {
			s.work = false
			p.client.broker.liveness.hurry(s.to)
		}
	}
	p.dirty, p.staged = p.dirty[:0], cap(p.self.buf)
	return congested
}

// hold waits until the congested destinations have drained, for all of them
// together no longer than is left of the batch's patience.
func (p *publisher) hold(congested []*client) {
	p.client.stats.stalls.Add(1)
	begun := time.Now()
	timer := time.NewTimer(p.patience)
	defer timer.Stop()
	for _, c := range congested {
		select {
		case <-c.out.drainedOrClosed():
		case <-timer.C:
			p.patience = 0
			return
		}
	}
	p.patience -= time.Since(begun)
}
