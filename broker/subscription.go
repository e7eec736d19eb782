package broker

import (
	"math"
	"strings"
	"sync/atomic"

	"vigil/internal/subject"
	"vigil/internal/wire"
)

// subscription is one SUB of one client. It is as large as a line of the
// processor's cache: routing to one of many subscriptions is waiting for these.
type subscription struct {
	// Fixed after construction.
	owner *client
	// text is subject, queue and sid, which end where they say.
	text                 string
	subjectEnd, queueEnd uint32

	// Guarded by the routing table: the list of those to the same pattern.
	before, behind *subscription

	// delivered counts the messages routed to it since the SUB, by every
	// publisher's read loop: behind each batch, and with a max at each message.
	delivered atomic.Int64
	// max ends the subscription when delivered reaches it; 0 is never, exactly
	// that there is going to be one, ended that it is over.
	max atomic.Int64
}

// newSubscription makes the subscription that op, a SUB, asks for.
func newSubscription(owner *client, op *wire.Op) *subscription {
	text := string(op.Subject) + string(op.Queue) + string(op.SID)
	queue := len(op.Subject)
	sid := queue + len(op.Queue)
	return &subscription{owner: owner, text: text, subjectEnd: uint32(queue), queueEnd: uint32(sid)}
}

func (s *subscription) subject() string { return s.text[:s.subjectEnd] }

// queue returns "" for a plain subscription.
func (s *subscription) queue() string { return s.text[s.subjectEnd:s.queueEnd] }

func (s *subscription) sid() string { return s.text[s.queueEnd:] }

// What a subscription costs in memory, in bytes, measured at up to a million of
// them (TestSubscriptionCost): itself with its entries in the client's map and
// the router's, which have just been made twice as large at worst; and, of a
// pattern with wildcards, each token, which is a node of the router's tree if
// other patterns go the same way. At least two share a node, so each pays for half
// of the nodes on its whole way, and whoever stays has paid when the others go.
const (
	subscriptionCost = 220
	tokenCost        = 55
)

// cost is the subscription's part of the memory budget.
func (s *subscription) cost() int {
	cost := subscriptionCost + len(s.subject()) + len(s.queue()) + len(s.sid())
	if subject.HasWildcard(s.subject()) {
		cost += tokenCost*(1+strings.Count(s.subject(), ".")) + len(s.subject())
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
