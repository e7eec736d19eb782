package broker

import (
	"strings"
	"sync/atomic"
)

// subscription is one SUB of one client.
type subscription struct {
	// Fixed after construction.
	owner   *client
	subject string
	queue   string // "" for a plain subscription
	sid     []byte

	// Guarded by the routing table.
	index int // where the router's list holds it

	// delivered counts the messages routed to it since the SUB, by every
	// publisher's read loop.
	delivered atomic.Int64
	// max ends the subscription when delivered reaches it; 0 is never, ended
	// that it is over.
	max atomic.Int64
}

// What a subscription costs in memory, in bytes, measured at up to a million of
// them (TestSubscriptionCost): itself with its entry in the client's map and in
// the router's list; each token of its subject, which is a level of the router's
// tree unless another subscription goes the same way. Each pays for its whole
// way, so that whoever stays has paid when the others go.
const (
	subscriptionCost = 200
	tokenCost        = 360
	queueCost        = 400 // the list of a queue group's members
)

// cost is the subscription's part of the memory budget.
func (s *subscription) cost() int {
	tokens := 1 + strings.Count(s.subject, ".")
	cost := subscriptionCost + tokenCost*tokens + 2*len(s.subject) + 2*len(s.sid)
	if s.queue != "" {
		cost += queueCost + 2*len(s.queue)
	}
	return cost
}

// ended as subscription.max lets nothing through any more.
const ended = -1

// take claims the next delivery. It reports whether there is one to claim, and
// whether it was the last, upon which the subscription is to be removed.
func (s *subscription) take() (ok, last bool) {
	n := s.delivered.Add(1)
	limit := s.max.Load()
	return limit == 0 || n <= limit, limit != 0 && n == limit
}
