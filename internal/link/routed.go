package link

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"vigil/internal/wire"
)

// routed is the routed probe: messages to an inbox of our own that must come
// back, since a broker may answer PINGs and yet deliver nothing. Each is
// followed by a PING. A broker delivers what it was sent before that PING before
// it answers it, so at the PONG the message either is there or will not come.
type routed struct {
	subject string
	back    atomic.Uint64 // the last one that came back

	// Guarded by link.mu.
	last uint64 // the one sent last
	lost int    // so many in a row did not come back
}

// maxRoutedLost is how many messages in a row may stay away: one could have
// been dropped by a broker that has just met its limits.
const maxRoutedLost = 2

// startRouted subscribes to the inbox of the routed probe.
func (l *Link) startRouted() {
	l.routed.subject = l.cfg.InboxPrefix + "." + rand.Text()
	l.subs.add(l.routed.subject, "", func(op *wire.Op) {
		if n, err := strconv.ParseUint(string(op.Payload()), 10, 64); err == nil {
			l.routed.back.Store(n)
		}
	})
}

// appendRouted appends a message to ourselves and the PING behind it. mu is
// held.
func (c *conn) appendRouted(dst []byte, now time.Time) []byte {
	r := &c.link.routed
	r.last++
	dst = wire.AppendPub(dst, r.subject, "", strconv.AppendUint(nil, r.last, 10))
	dst = c.appendProbe(dst, now)
	c.ledger.ping(now, nil)
	c.ledger.waiting[len(c.ledger.waiting)-1].routed = r.last
	return dst
}

// answered notes that the PING behind a message to ourselves was answered, and
// returns the loss when too many stayed away. mu is held.
func (r *routed) answered(n uint64) *Loss {
	if r.back.Load() >= n {
		r.lost = 0
		return nil
	}
	if r.lost++; r.lost < maxRoutedLost {
		return nil
	}
	r.lost = 0
	return &Loss{Cause: CauseNotDelivering, Err: fmt.Errorf("%d messages to ourselves in a row did not come back", maxRoutedLost)}
}
