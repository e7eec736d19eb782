package link

import "time"

// ledger keeps the account of one connection: which messages were handed to
// the socket, and which of them a PONG has confirmed. PONGs come in the order
// of the PINGs, behind everything that the broker did before (PING and PONG are
// the protocol's barrier), so a queue of what each PING stood behind is all it
// takes. The round trip comes with it.
type ledger struct {
	handed    Tally // given to the socket
	asked     Tally // of these, before the last PING
	confirmed Tally // of these, confirmed by a PONG

	waiting []waitingPing // in wire order
	rtt     time.Duration // of the last PING answered, 0 before the first
}

type waitingPing struct {
	sent   time.Time
	before Tally // handed before it
	done   chan<- error
}

// ping notes a PING that stands behind everything handed so far.
func (l *ledger) ping(now time.Time, done chan<- error) {
	l.waiting = append(l.waiting, waitingPing{now, l.handed, done})
	l.asked = l.handed
}

// chunk notes a chunk with its messages and PINGs.
func (l *ledger) chunk(now time.Time, c *chunk) {
	for _, p := range c.pings {
		l.asked = l.handed.plus(p.before)
		l.waiting = append(l.waiting, waitingPing{now, l.asked, p.done})
	}
	l.handed = l.handed.plus(c.tally)
}

// takeBack notes that of the chunk handed last these messages were not handed
// after all.
// A broker that answers PINGs before it can have read them confirms no more
// than was handed.
func (l *ledger) takeBack(t Tally) {
	l.handed = l.handed.minus(t)
	if l.confirmed.Messages > l.handed.Messages {
		l.confirmed = l.handed
	}
}

// pong notes a PONG and returns whom to tell. One that answers nothing is
// passed over.
func (l *ledger) pong(now time.Time) chan<- error {
	if len(l.waiting) == 0 {
		return nil
	}
	p := l.waiting[0]
	n := copy(l.waiting, l.waiting[1:])
	l.waiting[n] = waitingPing{}
	l.waiting = l.waiting[:n]
	l.confirmed = p.before
	l.rtt = now.Sub(p.sent)
	return p.done
}

// unasked returns what no PING stands behind yet.
func (l *ledger) unasked() Tally { return l.handed.minus(l.asked) }

// unconfirmed returns what was handed and not confirmed.
func (l *ledger) unconfirmed() Tally { return l.handed.minus(l.confirmed) }
