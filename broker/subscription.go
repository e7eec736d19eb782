package broker

import "sync/atomic"

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

// ended as subscription.max lets nothing through any more.
const ended = -1

// take claims the next delivery. It reports whether there is one to claim, and
// whether it was the last, upon which the subscription is to be removed.
func (s *subscription) take() (ok, last bool) {
	n := s.delivered.Add(1)
	limit := s.max.Load()
	return limit == 0 || n <= limit, limit != 0 && n == limit
}
