package publisher

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
)

// ErrTooManyReplies: replies to one request came faster than the loop over them
// took them, and there was no room for another. Some are missing.
var ErrTooManyReplies = errors.New("more replies than there is room for; take them faster")

// What may wait for the loop: so many replies, and so many bytes of them.
const (
	maxReplies    = 65536
	maxReplyBytes = 64 << 20
)

// Replies publishes m as RequestMsg does, and returns every reply in the order of
// arrival, for as long as ctx lasts: how many will answer, nobody knows. It asks
// when the loop begins, and again for another loop. It ends
//
//   - when the loop is left;
//   - with a last pair of nil and ctx's error, when ctx ends; give it a deadline,
//     or cancel it when no reply has come for long enough;
//   - with nil and ErrNoResponders, as soon as the broker says that nobody is
//     subscribed; and with the errors of PublishMsg, ErrTooManyReplies and
//     ErrClosed.
//
// A loss of the connection does not end it, but may cost replies.
func (p *Publisher) Replies(ctx context.Context, m *Msg) iter.Seq2[*Msg, error] {
	return func(yield func(*Msg, error) bool) {
		q := &replies{ready: make(chan struct{}, 1)}
		reply, err := p.expect(waiter{many: q})
		if err != nil {
			yield(nil, err)
			return
		}
		defer p.inbox.forget(reply)
		if err := p.send(ctx, m.Subject, reply, m.Header, m.Data); err != nil {
			yield(nil, err)
			return
		}
		for {
			a, err := p.next(ctx, q)
			if err != nil {
				yield(nil, fmt.Errorf("publisher: request %s: %w", m.Subject, err))
				return
			}
			if !yield(a.msg, a.err) || a.err != nil {
				return
			}
		}
	}
}

// next returns the next of several replies. Those that have come go before the
// end of ctx.
func (p *Publisher) next(ctx context.Context, q *replies) (answer, error) {
	for {
		a, ok, full := q.take()
		switch {
		case ok:
			return a, nil
		case full:
			return answer{}, ErrTooManyReplies
		}
		select {
		case <-q.ready:
			continue
		case <-ctx.Done():
		case <-p.link.Done():
		}
		if a, ok, _ := q.take(); ok {
			return a, nil
		}
		if err := ctx.Err(); err != nil {
			return answer{}, err
		}
		return answer{}, p.link.Err()
	}
}

// replies are those that wait for the loop over them.
type replies struct {
	ready chan struct{} // holds a token when there is something new

	mu sync.Mutex

	// Guarded by mu.
	waiting []answer
	bytes   int
	full    bool // one had no room: none is taken any more
}

// add keeps a reply, and reports whether there is room for it.
func (q *replies) add(a answer) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full = q.full || len(q.waiting) == maxReplies || len(q.waiting) > 0 && q.bytes+a.size > maxReplyBytes; !q.full {
		q.waiting, q.bytes = append(q.waiting, a), q.bytes+a.size
	}
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return !q.full
}

// take returns the oldest reply, or whether one had no room behind the last.
func (q *replies) take() (a answer, ok, full bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return answer{}, false, q.full
	}
	a = q.waiting[0]
	q.waiting[0] = answer{}
	if q.waiting = q.waiting[1:]; len(q.waiting) == 0 {
		q.waiting = nil // what grew is let go
	}
	q.bytes -= a.size
	return a, true, false
}
