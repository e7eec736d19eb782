package link

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"

	"vigil/internal/wire"
)

// subscription is what the link knows of one SUB.
type subscription struct {
	// Fixed after construction.
	sid     string
	subject string
	queue   string
	handler func(*wire.Op)

	// max is the total after which the subscription ends, 0 for never. Guarded
	// by the link's mu.
	max int64
	// restoredAt is what delivered was when the SUB of the present connection
	// was made. Guarded by the link's mu.
	restoredAt int64
	// retired is set when it is not to be restored any more. Guarded by the
	// link's mu.
	retired bool

	// limited is set when max is, so that the reader need not look.
	limited atomic.Bool

	// delivered counts since the first SUB, over all connections. Written by
	// the reader alone.
	delivered atomic.Int64
}

// registry holds the subscriptions, to find them for a message and to restore
// them on a new connection. It knows no lock.
type registry struct {
	last  int64 // the sid given last
	bySID map[string]*subscription
}

func (r *registry) add(subject, queue string, handler func(*wire.Op)) *subscription {
	if r.bySID == nil {
		r.bySID = make(map[string]*subscription)
	}
	r.last++
	s := &subscription{sid: strconv.FormatInt(r.last, 10), subject: subject, queue: queue, handler: handler}
	r.bySID[s.sid] = s
	return s
}

// appendAll appends the operations that restore every subscription, oldest
// first: its SUB and, if it ends after a number of messages, an UNSUB with how
// many of them are left. The broker counts from the SUB.
func (r *registry) appendAll(dst []byte) []byte {
	all := slices.SortedFunc(maps.Values(r.bySID), func(a, b *subscription) int {
		return compareSIDs(a.sid, b.sid)
	})
	for _, s := range all {
		s.restoredAt = s.delivered.Load()
		left := s.max - s.restoredAt
		if s.retired || s.max > 0 && left <= 0 {
			continue
		}
		dst = wire.AppendSub(dst, s.subject, s.queue, s.sid)
		if left > 0 {
			dst = wire.AppendUnsub(dst, s.sid, left)
		}
	}
	return dst
}

// appendEnd appends the operations that end every subscription.
func (r *registry) appendEnd(dst []byte) []byte {
	for sid := range r.bySID {
		dst = wire.AppendUnsub(dst, sid, 0)
	}
	return dst
}

// compareSIDs compares decimal numbers without leading zeros.
func compareSIDs(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return bytes.Compare([]byte(a), []byte(b))
}
