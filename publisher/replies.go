package publisher

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// ErrTooManyReplies: replies to one request came faster than the loop over them
// took them, and more than 1024 would have waited. Some are missing.
var ErrTooManyReplies = errors.New("publisher: request: more replies than there is room for; take them faster")

// maxReplies bounds the replies to one request that wait for the loop.
const maxReplies = 1024

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
		got := make(chan answer, maxReplies)
		reply, err := p.expect(got, true)
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
			a, err := p.next(ctx, got)
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
func (p *Publisher) next(ctx context.Context, got <-chan answer) (answer, error) {
	var a answer
	open := true
	select {
	case a, open = <-got:
	default:
		select {
		case a, open = <-got:
		case <-ctx.Done():
			return answer{}, ctx.Err()
		case <-p.link.Done():
			return answer{}, p.link.Err()
		}
	}
	if !open {
		return answer{}, ErrTooManyReplies
	}
	return a, nil
}
