package subscriber

import (
	"context"
	"errors"
	"iter"
	"time"

	"vigil/internal/wire"
)

// ErrBadSubject is wrapped by the error for a subject, pattern or queue name that
// cannot be sent.
var ErrBadSubject = errors.New("bad subject")

// ErrHasHandler is yielded by Messages for a subscription made with
// SubscribeFunc, whose messages go to the handler.
var ErrHasHandler = errors.New("subscriber: messages: the subscription has a handler")

// Subscription is one subject or pattern subscribed. All methods may be called
// concurrently.
type Subscription struct {
	// Fixed after construction.
	subscriber *Subscriber
	subject    string
	queue      string
	sid        string
	pending    *pending
	handler    func(*Msg) // nil for Messages
}

// Subject returns what was subscribed.
func (s *Subscription) Subject() string { return s.subject }

// Queue returns the queue group, empty for a plain subscription.
func (s *Subscription) Queue() string { return s.queue }

// receive is called by the connection's reader with every message.
func (s *Subscription) receive(op *wire.Op) {
	p, m := s.pending, newMsg(s.subscriber.link, op, s.subject)
	if !p.put(m) {
		return
	}
	patience := &s.subscriber.patience
	now := time.Now()
	if d := patience.allowance(now); d > 0 && !p.isSlow() {
		p.awaitRoom(d)
		patience.spend(time.Since(now))
		if !p.put(m) {
			return
		}
	}
	if slow := p.drop(); slow != nil {
		s.subscriber.link.Emit(Event{Kind: EventSlowConsumer, At: time.Now(), Subject: s.subject, Err: slow})
	}
}

// Messages returns the messages in the order of their arrival, waiting for new
// ones. Reconnects do not end it. It ends
//
//   - silently, after the messages that wait, when the subscription was ended by
//     Unsubscribe or Drain;
//   - with a last pair of nil and ctx's error, when ctx ends;
//   - with a last pair of nil and ErrClosed, when the Subscriber was closed;
//   - with a last pair of nil and ErrHasHandler, at once, if there is a handler.
//
// Several loops over one subscription share its messages.
func (s *Subscription) Messages(ctx context.Context) iter.Seq2[*Msg, error] {
	return func(yield func(*Msg, error) bool) {
		if s.handler != nil {
			yield(nil, ErrHasHandler)
			return
		}
		s.each(ctx, yield)
	}
}

// each is the loop of Messages and of handlers.
func (s *Subscription) each(ctx context.Context, yield func(*Msg, error) bool) {
	p := s.pending
	for {
		if err := ctx.Err(); err != nil {
			signal(p.ready) // the token may have been another loop's
			yield(nil, err)
			return
		}
		m, ended, err := p.take()
		switch {
		case m != nil:
			if !s.handOver(m, yield) {
				return
			}
			continue
		case ended && err != nil:
			yield(nil, err)
			return
		case ended:
			return
		}
		select {
		case <-p.ready:
		case <-ctx.Done():
		}
	}
}

// handOver yields one message. It counts as handled also when yield panics.
func (s *Subscription) handOver(m *Msg, yield func(*Msg, error) bool) bool {
	defer func() {
		if s.pending.done() {
			s.subscriber.forget(s)
		}
	}()
	return yield(m.open(), nil)
}

// handle is the goroutine of a subscription with a handler.
func (s *Subscription) handle() {
	s.each(context.Background(), func(m *Msg, err error) bool {
		if err == nil {
			s.handler(m)
		}
		return err == nil
	})
}

// Unsubscribe ends the subscription. Messages that have arrived are still
// handed out; Drain also waits for those under way and until all are handled.
func (s *Subscription) Unsubscribe() error {
	err := s.subscriber.link.Unsubscribe(s.sid, 0)
	s.end()
	return err
}

// end lets the consumers finish.
func (s *Subscription) end() {
	if _, finished := s.pending.end(true, nil); finished {
		s.subscriber.forget(s)
	}
}

// Drain ends the subscription without losing a message: it sends UNSUB, waits
// until everything the broker had sent has arrived, and until all of it was
// handled. If ctx ends first, it returns an *UnhandledError with the number
// left. It must not be called from a handler of the subscription.
func (s *Subscription) Drain(ctx context.Context) error {
	if err := s.subscriber.link.Retire(s.sid); err != nil {
		return err
	}
	barrier := s.subscriber.link.Flush(ctx)
	if left := s.settle(ctx); left > 0 {
		return &UnhandledError{Messages: left, Err: ctx.Err()}
	}
	return barrier
}

// settle ends a retired subscription and waits until all that came is handled,
// or ctx ends. It returns how many messages are left.
func (s *Subscription) settle(ctx context.Context) int {
	_ = s.subscriber.link.Unsubscribe(s.sid, 0) // closed: then nothing is left to end
	s.end()
	select {
	case <-s.pending.finished:
		return 0
	case <-ctx.Done():
		waiting, busy, _, _ := s.pending.count()
		return waiting + busy
	}
}

// Pending returns how many messages wait to be handled.
func (s *Subscription) Pending() int {
	waiting, _, _, _ := s.pending.count()
	return waiting
}

// Dropped returns how many messages were dropped for want of room.
func (s *Subscription) Dropped() int64 {
	_, _, _, dropped := s.pending.count()
	return dropped
}
