package broker

import (
	"math"
	"strings"
	"sync/atomic"

	"vigil/internal/subject"
	"vigil/internal/wire"
)

// subscription is one SUB of one client.
type subscription struct {
	// Fixed after construction.
	owner   *client
	subject string
	queue   string // "" for a plain subscription
	sid     string

	// Guarded by the routing table: the list of those to the same pattern.
	before, behind *subscription

	// delivered counts the messages routed to it since the SUB, by every
	// publisher's read loop: behind each batch, and with a max at each message.
	delivered atomic.Int64
	// max ends the subscription when delivered reaches it; 0 is never, exactly
	// that there is going to be one, ended that it is over.
	max atomic.Int64
}

// newSubscription makes the subscription that op, a SUB, asks for. Its texts are
// one allocation.
func newSubscription(owner *client, op *wire.Op) *subscription {
	text := string(op.Subject) + string(op.Queue) + string(op.SID)
	queue := len(op.Subject)
	sid := queue + len(op.Queue)
	return &subscription{owner: owner, subject: text[:queue], queue: text[queue:sid], sid: text[sid:]}
}

// What a subscription costs in memory, in bytes, measured at up to a million of
// them (TestSubscriptionCost): itself with its entries in the client's map and
// the router's, which have just been made twice as large at worst; and, of a
// pattern with wildcards, each token, which is a level of the router's tree unless
// another pattern goes the same way. Each pays for its whole way, so that whoever
// stays has paid when the others go.
const (
	subscriptionCost = 250
	tokenCost        = 110
)

// cost is the subscription's part of the memory budget.
func (s *subscription) cost() int {
	cost := subscriptionCost + len(s.subject) + len(s.queue) + len(s.sid)
	if subject.HasWildcard(s.subject) {
		cost += tokenCost*(1+strings.Count(s.subject, ".")) + len(s.subject)
	}
	return cost
}

const (
	// ended as subscription.max lets nothing through any more.
	ended = -1
	// exactly as subscription.max lets everything through, and has it counted at
	// once.
	exactly = math.MaxInt64
)

// take claims the next delivery. It reports whether there is one to claim, and
// whether the subscription is to be removed, since it was the last or should have
// been. With a max, looking at it and counting are one step for those who change
// it: they hold the lock.
func (t *target) take(routes *routing) (ok, over bool) {
	s := t.sub
	if s.max.Load() == 0 { // whoever sets one waits until this is counted
		if t.atOnce {
			s.delivered.Add(1)
		} else {
			t.uncounted++
		}
		return true, false
	}
	t.count()
	routes.mu.RLock()
	defer routes.mu.RUnlock()
	limit := s.max.Load()
	n := s.delivered.Add(1)
	return n <= limit, limit > 0 && n >= limit
}

// count adds what this publisher has delivered.
func (t *target) count() {
	if t.uncounted > 0 {
		t.sub.delivered.Add(t.uncounted)
		t.uncounted = 0
	}
}
