package broker

import (
	"sync"
	"sync/atomic"

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
	// ofClient holds each client's subscriptions by sid.
	ofClient map[*client]map[string]*subscription
}

func newRouting() *routing {
	return &routing{ofClient: make(map[*client]map[string]*subscription)}
}

// subscribe registers a subscription for op, a SUB. A sid in use keeps the
// subscription it has. It reports whether the client is below its limit.
func (t *routing) subscribe(c *client, op *wire.Op, limit int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	subs := t.ofClient[c]
	if len(subs) >= limit {
		return false
	}
	if _, taken := subs[string(op.SID)]; taken {
		return true
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
	t.generation.Add(1)
	return true
}

// unsubscribe obeys op, an UNSUB: the subscription ends when max messages were
// delivered since its SUB, which may be the case already. An unknown sid is
// nothing.
func (t *routing) unsubscribe(c *client, op *wire.Op) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.ofClient[c][string(op.SID)]
	if s == nil {
		return
	}
	s.max.Store(op.Max)
	if op.Max == 0 || s.delivered.Load() >= op.Max {
		t.removeLocked(s)
	}
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
	t.router.remove(s)
	subs := t.ofClient[s.owner]
	delete(subs, string(s.sid))
	if len(subs) == 0 {
		delete(t.ofClient, s.owner)
	}
	t.generation.Add(1)
}

// removeAll ends every subscription of a client.
func (t *routing) removeAll(c *client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	subs := t.ofClient[c]
	if len(subs) == 0 {
		return
	}
	for _, s := range subs {
		t.router.remove(s)
	}
	delete(t.ofClient, c)
	t.generation.Add(1)
}

// match looks a subject up.
func (t *routing) match(subject []byte) match {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.router.match(subject)
}

// plainOf returns one of the client's own plain subscriptions that match a
// subject, nil if it has none.
func (t *routing) plainOf(c *client, subject []byte) *subscription {
	for _, s := range t.match(subject).plain {
		if s.owner == c {
			return s
		}
	}
	return nil
}
