package broker

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"vigil/internal/subject"
	"vigil/internal/wire"
)

// routing is the routing table that all clients share: the router, and which
// subscriptions each client has.
//
// Publishers keep what they looked up, with the versions that concern it. They
// may use it while these have not moved; they move with every change, before
// it is acknowledged to whoever made it, so that nobody who saw the PONG behind a
// SUB can publish past it. There is a version for each of a number of parts that
// the subjects fall into by their first token, so that a million SUBs to orders.>
// do not make those look up anew who publish to prices.>; and one for changes
// that may concern any subject.
type routing struct {
	any  atomic.Uint64
	seed maphash.Seed
	part [routingParts]atomic.Uint64

	mu     sync.RWMutex
	router router
	// inserts and removes count the subscriptions that began and ended.
	inserts, removes uint64
}

// routingParts is enough for applications, which have few first tokens.
const routingParts = 256

func newRouting() *routing { return &routing{seed: maphash.MakeSeed()} }

// version returns what moves with changes to the subject's part.
func (t *routing) version(subj []byte) *atomic.Uint64 {
	first, _, _ := subject.Cut(subj)
	return &t.part[maphash.Bytes(t.seed, first)%routingParts]
}

// changed moves the version of those subjects that a pattern may match.
func (t *routing) changed(pattern string) {
	first, _, _ := subject.Cut(pattern)
	if first == "*" || first == ">" {
		t.any.Add(1)
		return
	}
	t.part[maphash.String(t.seed, first)%routingParts].Add(1)
}

// subscribe registers a subscription for op, a SUB. A sid in use keeps the
// subscription it has, whatever op says. It returns the text of the -ERR for a
// SUB that is refused, "" for any other.
func (t *routing) subscribe(c *client, op *wire.Op, limit int) (refusal string) {
	valid := subject.ValidSubscribe(op.Subject)
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.subs.len() >= limit {
		return textMaxSubscriptions
	}
	if c.subs.get(op.SID) != nil {
		return ""
	}
	if !valid {
		return textInvalidSubject
	}
	s := newSubscription(c, op)
	c.subscribed = true
	c.subs.set(s.sid(), s)
	t.router.insert(s)
	t.inserts++
	t.changed(s.subject())
	c.account.charge(s.cost())
	return ""
}

// countExactly has the messages of the subscription that op, an UNSUB with a max,
// names counted one by one from now on. What was routed before is counted when
// the client has settled. It reports false if there is nothing to count.
func (t *routing) countExactly(c *client, op *wire.Op) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s := c.subs.get(op.SID)
	return s != nil && op.Max > 0 && s.max.CompareAndSwap(0, exactly)
}

// unsubscribe obeys op, an UNSUB: the subscription ends when max messages were
// delivered since its SUB, which may be the case already. An unknown sid is
// nothing. It reports whether there is no subscription of that sid any more.
func (t *routing) unsubscribe(c *client, op *wire.Op) (gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := c.subs.get(op.SID)
	if s == nil {
		return true // its last message may be on its way still
	}
	if op.Max > 0 {
		s.max.Store(op.Max)
	}
	if op.Max <= 0 || s.delivered.Load() >= op.Max {
		t.removeLocked(s)
		return true
	}
	return false
}

// remove ends a subscription that has had its last message.
func (t *routing) remove(s *subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.owner.subs.get([]byte(s.sid())) == s {
		t.removeLocked(s)
	}
}

func (t *routing) removeLocked(s *subscription) {
	t.endLocked(s)
	s.owner.subs.remove(s.sid())
}

// endLocked ends a subscription, which its owner may hold still.
func (t *routing) endLocked(s *subscription) {
	s.max.Store(ended)
	t.router.remove(s)
	s.owner.account.charge(-s.cost())
	t.removes++
	t.changed(s.subject())
}

// removeAtOnce is how many subscriptions one hold of the lock removes: some
// hundred microseconds for everyone else, however many a client has.
const removeAtOnce = 256

// removeAll ends every subscription of a client. Publishers then forget all that
// they keep: it leads to clients, which may be gone. The client's read loop
// calls it, so that no SUB comes between.
func (t *routing) removeAll(c *client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	subs := c.subs
	c.subs = textMap[*subscription]{}
	n := 0
	for s := range subs.values() {
		t.endLocked(s)
		if n++; n%removeAtOnce == 0 {
			t.mu.Unlock()
			t.mu.Lock()
		}
	}
	if c.subscribed {
		c.subscribed = false
		t.any.Add(1)
	}
}

// match looks a subject up. m is empty.
func (t *routing) match(published []byte, m *match) {
	t.mu.RLock()
	t.router.match(published, m)
	t.mu.RUnlock()
}

// plainOf returns one of the client's own plain subscriptions that match a
// subject, nil if it has none.
func (t *routing) plainOf(c *client, published []byte) *subscription {
	var m match
	t.match(published, &m)
	for _, s := range m.plain {
		if s.owner == c {
			return s
		}
	}
	return nil
}
