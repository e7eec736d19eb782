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
	pinged  time.Time     // when the last PING was sent
	rtt     time.Duration // of the last PING answered, 0 before the first
	reached time.Time     // when that one was sent: the peer last heard us then, or later
	answers []answer      // the PINGs answered lately, the oldest first
	taken   []answer      // those that the watcher has, for reuse
}

// answer is a PING and its PONG.
type answer struct{ sent, at time.Time }

// maxAnswers bounds the answers kept until the watcher looks.
const maxAnswers = 64

type waitingPing struct {
	sent   time.Time
	before Tally // handed before it
	done   chan<- error
	routed uint64 // the message to ourselves before it, 0 for none
}

// ping notes a PING that stands behind everything handed so far.
func (l *ledger) ping(now time.Time, done chan<- error) {
	l.waiting = append(l.waiting, waitingPing{sent: now, before: l.handed, done: done})
	l.asked, l.pinged = l.handed, now
}

// chunk notes a chunk with its messages and PINGs.
func (l *ledger) chunk(now time.Time, c *chunk) {
	for _, p := range c.pings {
		l.asked = l.handed.plus(p.before)
		l.waiting = append(l.waiting, waitingPing{sent: now, before: l.asked, done: p.done})
		l.pinged = now
	}
	l.handed = l.handed.plus(c.tally)
}

// takeBack notes that of the chunk handed last these messages were not handed
// after all. A broker that answers PINGs before it can have read them confirms
// no more than was handed.
func (l *ledger) takeBack(t Tally) {
	l.handed = l.handed.minus(t)
	if l.confirmed.Messages > l.handed.Messages {
		l.confirmed = l.handed
	}
}

// pong notes a PONG and returns the PING that it answers, whose done is to be
// told. One that answers nothing is passed over.
func (l *ledger) pong(now time.Time) waitingPing {
	if len(l.waiting) == 0 {
		return waitingPing{}
	}
	p := l.waiting[0]
	n := copy(l.waiting, l.waiting[1:])
	l.waiting[n] = waitingPing{}
	l.waiting = l.waiting[:n]
	l.confirmed = p.before
	l.rtt, l.reached = now.Sub(p.sent), p.sent
	if len(l.answers) < maxAnswers {
		l.answers = append(l.answers, answer{p.sent, now})
	}
	return p
}

// takeAnswers returns the PINGs answered since it was called last. What it
// returns is valid until it is called again.
func (l *ledger) takeAnswers() []answer {
	l.taken, l.answers = l.answers, l.taken[:0]
	return l.taken
}

// oldest returns when the oldest unanswered PING was sent, zero if none is.
func (l *ledger) oldest() time.Time {
	if len(l.waiting) == 0 {
		return time.Time{}
	}
	return l.waiting[0].sent
}

// unasked returns what no PING stands behind yet.
func (l *ledger) unasked() Tally { return l.handed.minus(l.asked) }

// unconfirmed returns what was handed and not confirmed.
func (l *ledger) unconfirmed() Tally { return l.handed.minus(l.confirmed) }
