package subscriber

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"
)

// Errors on which callers branch, beside those of the connection.
var (
	// ErrBadSubject is wrapped by the error for a subject, pattern or queue name
	// that cannot be sent.
	ErrBadSubject = errors.New("bad subject")
	// ErrBadOption is wrapped by the error for an Option that makes no sense.
	ErrBadOption = errors.New("bad option")
	// ErrHasHandler is yielded by Messages for a subscription made with
	// SubscribeFunc, whose messages go to the handler.
	ErrHasHandler = errors.New("subscriber: messages: the subscription has a handler")
)

// Subscription is one subject or pattern subscribed. All methods may be called
// concurrently.
type Subscription struct {
	// Fixed after construction.
	subscriber *Subscriber
	subject    string
	opts       options
	sid        string
	pending    *pending
	drops      *drops
	handler    func(*Msg) // nil for Messages and Channel

	// Owned by the connection's reader.
	intake intake

	startChannel sync.Once
	channel      chan *Msg // set by startChannel
}

// Subject returns what was subscribed.
func (s *Subscription) Subject() string { return s.subject }

// Queue returns the queue group, empty for a plain subscription.
func (s *Subscription) Queue() string { return s.opts.queue }

// Messages returns the messages in the order of their arrival, waiting for new
// ones. Reconnects do not end it. It ends
//
//   - silently, after the messages that wait, when the subscription was ended by
//     Unsubscribe, Drain or MaxMessages;
//   - with a last pair of nil and ctx's error, when ctx ends;
//   - with a last pair of nil and ErrClosed, when the Subscriber was closed;
//   - with a last pair of nil and ErrHasHandler, at once, if there is a handler.
//
// A message counts as handled when the loop asks for the next one, or ends.
// Several loops over one subscription share its messages.
func (s *Subscription) Messages(ctx context.Context) iter.Seq2[*Msg, error] {
	return func(yield func(*Msg, error) bool) {
		if s.handler != nil {
			yield(nil, ErrHasHandler)
			return
		}
		s.each(ctx, s.opts.reuse, func(_ *consumer, m *Msg, err error) bool { return yield(m, err) })
	}
}

// each is the loop of every form of consumption. What it hands out counts as
// handled when yield returns, also if it panics. Unless reuse is set it is a copy,
// and the receiver's own.
func (s *Subscription) each(ctx context.Context, reuse bool, yield func(*consumer, *Msg, error) bool) {
	c := consumer{p: s.pending, link: s.subscriber.link, reuse: reuse}
	defer func() {
		c.stop()
		if s.pending.isFinished() {
			s.subscriber.forget(s)
		}
	}()
	for {
		if err := ctx.Err(); err != nil {
			c.stop()
			yield(&c, nil, err)
			return
		}
		ok, ended, err := c.take()
		switch {
		case ok:
			if !yield(&c, c.open(), nil) {
				return
			}
			continue
		case ended && err != nil:
			yield(&c, nil, err)
			return
		case ended:
			return
		}
		select {
		case <-s.pending.ready:
		case <-ctx.Done():
		}
	}
}

// handle is a goroutine of a subscription with a handler.
func (s *Subscription) handle() {
	s.each(context.Background(), s.opts.reuse, func(_ *consumer, m *Msg, err error) bool {
		if err == nil {
			s.handler(m)
		}
		return err == nil
	})
}

// Channel returns the messages as a channel, in the order of their arrival. It
// has no buffer, so that a message counts as handled when it was received, and
// those that nobody receives wait within the bounds of the subscription. The
// channel is closed when the subscription has ended and its messages were
// received, or when the Subscriber was closed. It is nil if there is a handler.
//
// It is one channel, however often it is asked for. A loop over Messages is
// faster, since it wakes nobody for each message.
func (s *Subscription) Channel() <-chan *Msg {
	if s.handler != nil {
		return nil
	}
	s.startChannel.Do(func() {
		s.channel = make(chan *Msg)
		s.subscriber.startFeed(s)
	})
	return s.channel
}

// feed is the goroutine behind Channel. A message that nobody receives before
// the Subscriber is closed was not handled.
func (s *Subscription) feed() {
	defer close(s.channel)
	ctx := s.subscriber.ctx
	s.each(ctx, false, func(c *consumer, m *Msg, err error) bool {
		if err != nil {
			return false
		}
		select {
		case s.channel <- m:
			return true
		case <-ctx.Done():
			c.giveBack()
			return false
		}
	})
}

// tellDropped emits that n messages more were dropped.
func (s *Subscription) tellDropped(n int64) {
	messages, bytes, _ := s.pending.level()
	s.subscriber.link.Emit(Event{Kind: EventSlowConsumer, At: time.Now(), Subject: s.subject, Err: &SlowConsumerError{
		Pending: messages, PendingBytes: bytes, New: n, Dropped: s.pending.count().dropped,
	}})
}

// Unsubscribe ends the subscription. Messages that have arrived are still
// handed out; Drain also waits for those under way and until all are handled.
func (s *Subscription) Unsubscribe() error {
	err := s.subscriber.link.Unsubscribe(s.sid, 0)
	s.end(nil)
	return err
}

// end lets the consumers finish what waits, and then tells them why.
func (s *Subscription) end(why error) {
	s.pending.end(true, why)
	s.drops.end()
	if s.pending.isFinished() {
		s.subscriber.forget(s)
	}
}

// Done returns a channel that is closed when the subscription has ended, and
// every message that came for it was handled or dropped.
func (s *Subscription) Done() <-chan struct{} { return s.pending.finished }

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
	s.end(nil)
	select {
	case <-s.pending.finished:
		return 0
	case <-ctx.Done():
		waiting, _, busy := s.pending.level()
		return waiting + busy
	}
}

// Pending returns how many messages wait to be handled.
func (s *Subscription) Pending() int {
	waiting, _, _ := s.pending.level()
	return waiting
}

// Stats returns what was counted since the subscription was made.
func (s *Subscription) Stats() SubscriptionStats {
	waiting, bytes, _ := s.pending.level()
	n := s.pending.count()
	return SubscriptionStats{Delivered: n.delivered, Dropped: n.dropped, Repeats: n.repeats,
		Pending: int64(waiting), PendingBytes: int64(bytes)}
}

// Dropped returns how many messages were dropped for want of room.
func (s *Subscription) Dropped() int64 { return s.pending.count().dropped }
