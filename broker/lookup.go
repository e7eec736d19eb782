package broker

import (
	"slices"
	"sync/atomic"

	"vigil/internal/wire"
)

// routeCache is what a publisher keeps of the look-ups that it has made.
type routeCache struct {
	// cache keeps looked-up routes while routing.any stands at version, and each
	// while that of its own part does.
	cache   map[string]*route
	cached  int // what cache costs, in bytes
	charged int // what of it the account knows
	version uint64
	// last is the route of the last message's subject, so that a flow to one
	// subject costs a comparison each; nil when there is none.
	last *route
	// hits and misses count the look-ups since the cache was last full; passing
	// is how many are still to be made without keeping anything, in found and
	// once; and rounds how many times misses that was when it began.
	hits, misses, passing, rounds int
	found                         match
	once                          route
	scratch                       []byte
}

// route is where a subject leads, resolved for one publisher.
type route struct {
	subject string
	plain   []target
	groups  [][]target
	// fan is what a batch is staged for that leads here alone, nil if none can.
	// It is made when two messages in succession, repeated, have led here.
	fan      *fanOut
	repeated bool
	// It holds while part, where changes are told, stands at version.
	part    *atomic.Uint64
	version uint64
	cost    int // in bytes, roughly
}

// target is one subscription that a subject leads to.
type target struct {
	sub   *subscription
	stage *stage
	// start is what a plain message begins with; "" if none is kept.
	start string
	// uncounted is how many messages of this batch the subscription does not
	// know of yet; with atOnce it is told of each.
	uncounted int64
	atOnce    bool
}

const (
	// maxCached bounds the routes kept by one publisher, in bytes: some 4000
	// subjects with a subscriber each. A publisher that uses more looks some
	// up again. A route to more subscribers than that is kept alone.
	maxCached = 1 << 20
	// routeCost, targetCost and copyCost are what a route, each of its targets
	// and each copy of its fan-out take in memory, roughly, besides the subject
	// and the sid.
	routeCost, targetCost, copyCost = 250, 90, 120
	// firstRounds is how many times as many look-ups as filled the cache in vain
	// are made without it; twice as many when that was in vain the last time,
	// too, up to lastRounds.
	firstRounds, lastRounds = 16, 1024
)

// lookup returns where a subject leads: until the next look-up, what it returns
// may be used.
func (p *publisher) lookup(subject []byte) *route {
	r := p.last
	if r != nil && r.subject == string(subject) && r.part.Load() == r.version && p.routes.any.Load() == p.version {
		p.hits++
		if !r.repeated {
			p.repeats(r)
		}
		return r
	}
	return p.find(subject)
}

// find is lookup for another subject than the last, or in a routing table that has
// changed.
func (p *publisher) find(subject []byte) *route {
	p.keepUp()
	r := p.cache[string(subject)]
	if r != nil && r.part.Load() == r.version {
		p.hits++
		p.last = r
		return r
	}
	if r == nil && p.passing > 0 {
		p.passing--
		return p.pass(subject)
	}
	if r != nil {
		p.cached -= r.cost
	}
	p.misses++
	p.last = p.look(subject)
	return p.last
}

// repeats makes the fan-out of a route, if it can be one.
func (p *publisher) repeats(r *route) {
	r.repeated = true
	if r.fan = newFanOut(p.client, r); r.fan != nil {
		cost := len(r.fan.copies) * copyCost
		r.cost += cost
		p.cached += cost
	}
}

// keepUp forgets what may lead to clients that have gone. It is called in every
// turn, too: who has ceased to publish answers PINGs.
func (p *publisher) keepUp() {
	if v := p.routes.any.Load(); v != p.version {
		p.forget()
		p.version = v
	}
}

// look finds out where a subject leads, and keeps that.
func (p *publisher) look(subject []byte) *route {
	part := p.routes.version(subject)
	r := &route{
		subject: string(subject),
		part:    part,
		version: part.Load(), // before the look, so that no change falls between
	}
	var m match
	p.routes.match(subject, &m)
	r.cost = routeCost + len(subject)
	m.each(func(s *subscription) { r.cost += targetCost + len(subject) + len(s.sid()) })
	if p.cached += r.cost; p.cached > maxCached {
		p.full()
		p.cached = r.cost
	}
	if p.cache == nil {
		p.cache = make(map[string]*route)
	}
	r.plain = p.targets(nil, m.plain)
	for _, g := range m.groups {
		r.groups = append(r.groups, p.targets(nil, g.members))
	}
	p.cache[r.subject] = r
	r.each(func(t *target) {
		p.scratch = wire.AppendMsgStart(p.scratch[:0], subject, t.sub.sid())
		t.start = string(p.scratch)
	})
	return r
}

// each goes through the targets.
func (r *route) each(f func(*target)) {
	for i := range r.plain {
		f(&r.plain[i])
	}
	for _, members := range r.groups {
		for i := range members {
			f(&members[i])
		}
	}
}

// full drops the cached routes, since there are too many. If few of them were
// used again, most look-ups to come are not going to be kept.
func (p *publisher) full() {
	if p.hits < p.misses {
		p.rounds = min(max(2*p.rounds, firstRounds), lastRounds)
		p.passing = p.rounds * p.misses
	} else {
		p.rounds = 0
	}
	p.hits, p.misses = 0, 0
	p.cache, p.last, p.cached = nil, nil, 0
}

// pass finds out where a subject leads, and keeps nothing of it: it costs a third
// of what keeping costs, and leaves no garbage.
func (p *publisher) pass(subject []byte) *route {
	m, r := &p.found, &p.once
	m.reset()
	p.routes.match(subject, m)
	r.plain = p.targets(r.plain[:0], m.plain)
	r.groups = r.groups[:0]
	for _, g := range m.groups {
		r.groups = append(r.groups, p.targets(nil, g.members))
	}
	r.each(func(t *target) { t.atOnce = true })
	p.last = nil
	return r
}

// forget drops all that leads to others. What is staged stays staged.
func (p *publisher) forget() {
	p.cache, p.last, p.stages, p.cached = nil, nil, nil, 0
	p.found, p.once = match{}, route{}
}

// targets appends what subscriptions are to a publisher.
func (p *publisher) targets(list []target, subs []*subscription) []target {
	list = slices.Grow(list, len(subs))
	for _, s := range subs {
		list = append(list, target{sub: s, stage: p.stageFor(s.owner)})
	}
	return list
}

func (p *publisher) stageFor(to *client) *stage {
	if to == p.client {
		return &p.self
	}
	s := p.stages[to]
	if s == nil {
		if p.stages == nil {
			p.stages = make(map[*client]*stage)
		}
		s = &stage{to: to}
		p.stages[to] = s
	}
	return s
}
