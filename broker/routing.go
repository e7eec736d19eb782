package broker

import (
	"sync"
	"sync/atomic"

	"vigil/internal/subject"
	"vigil/internal/wire"
)

// routing is the routing table that all clients share: the router, and which
// subscriptions each client has.
//
// Publishers keep what they looked up. They may use it while generation has not
// moved since they looked; it moves with every change, and before the change is
// acknowledged to whoever made it, so that nobody who saw the PONG behind a SUB
// can publish past it.
type routing struct {
	generation atomic.Uint64

	mu     sync.RWMutex
	router router
	// inserts and removes count the subscriptions that began and ended.
	inserts, removes uint64
	// ofClient holds each client's subscriptions by sid.
	ofClient map[*client]map[string]*subscription
}

func newRouting() *routing {
	return &routing{ofClient: make(map[*client]map[string]*subscription)}
}

// subscribe registers a subscription for op, a SUB. A sid in use keeps the
// subscription it has, whatever op says. It returns the text of the -ERR for a
// SUB that is refused, "" for any other.
func (t *routing) subscribe(c *client, op *wire.Op, limit int) (refusal string) {
	valid := subject.ValidSubscribe(op.Subject)
	t.mu.Lock()
	defer t.mu.Unlock()
	subs := t.ofClient[c]
	if len(subs) >= limit {
		return textMaxSubscriptions
	}
	if _, taken := subs[string(op.SID)]; taken {
		return ""
	}
	if !valid {
		return textInvalidSubject
	}
	s := &subscription{
		owner:   c,
		subject: string(op.Subject),
		queue:   string(op.Queue),
		sid:     append([]byte(nil), op.SID...),
	}
	if subs == nil {
		subs = make(map[string]*subscription, 1)
		t.ofClient[c] = subs
	}
	subs[string(op.SID)] = s
	t.router.insert(s)
	t.inserts++
	t.generation.Add(1)
	c.account.charge(s.cost())
	return ""
}

// unsubscribe obeys op, an UNSUB: the subscription ends when max messages were
// delivered since its SUB, which may be the case already. An unknown sid is
// nothing. It reports whether there is no subscription of that sid any more.
func (t *routing) unsubscribe(c *client, op *wire.Op) (gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.ofClient[c][string(op.SID)]
	if s == nil {
		return true // its last message may be on its way still
	}
	s.max.Store(max(op.Max, 0))
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
	if t.ofClient[s.owner][string(s.sid)] == s {
		t.removeLocked(s)
	}
}

func (t *routing) removeLocked(s *subscription) {
	s.max.Store(ended)
	t.router.remove(s)
	s.owner.account.charge(-s.cost())
	t.removes++
	subs := t.ofClient[s.owner]
	delete(subs, string(s.sid))
	if len(subs) == 0 {
		delete(t.ofClient, s.owner)
	}
	t.generation.Add(1)
}

// removeAtOnce is how many subscriptions one hold of the lock removes: some
// hundred microseconds for everyone else, however many a client has.
const removeAtOnce = 256

// removeAll ends every subscription of a client.
func (t *routing) removeAll(c *client) {
	for t.removeSome(c) {
	}
}

// removeSome ends some subscriptions of a client and reports whether it has
// more.
func (t *routing) removeSome(c *client) (more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := removeAtOnce
	for _, s := range t.ofClient[c] {
		t.removeLocked(s)
		if left--; left == 0 {
			break
		}
	}
	return len(t.ofClient[c]) > 0
}

// match looks a subject up.
func (t *routing) match(published []byte) match {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.router.match(published)
}

// plainOf returns one of the client's own plain subscriptions that match a
// subject, nil if it has none.
func (t *routing) plainOf(c *client, published []byte) *subscription {
	for _, s := range t.match(published).plain {
		if s.owner == c {
			return s
		}
	}
	return nil
}
