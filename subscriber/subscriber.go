package subscriber

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vigil/internal/link"
	"vigil/internal/subject"
)

// Subscriber is a connection to a NATS broker that notices when the broker is
// gone, says why and for how long it was deaf, and reconnects for ever. All
// methods may be called concurrently.
type Subscriber struct {
	// Fixed after construction.
	cfg    Config
	link   *link.Link
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	// Owned by the connection's reader.
	patience  patience
	collected []*Subscription // those for which the present read brought messages

	held atomic.Int64 // how long the reader was held for want of room, in ns

	handlers sync.WaitGroup // the goroutines of subscriptions with a handler
	feeds    sync.WaitGroup // the goroutines behind channels

	mu sync.Mutex

	// Guarded by mu.
	subs   map[*Subscription]struct{} // those with something left to do
	closed bool
	counts counts // of subscriptions that are finished
}

// Connect connects to the first of the brokers that answers, in the order
// given, and keeps connected until Close. url is one URL or several separated
// by commas: nats://[user[:password]@]host[:port], or tls:// for TLS, where
// nats:// and the port 4222 may be left out; a user without a password is a token. ctx bounds this
// call alone.
//
// It returns a *URLError for a bad URL and a *ConnectError when no broker
// answered, unless Config.KeepTrying is set.
func Connect(ctx context.Context, url string, cfg Config) (*Subscriber, error) {
	cfg = cfg.withDefaults()
	if err := subject.Check(cfg.InboxPrefix); err != nil {
		return nil, fmt.Errorf("subscriber: config: InboxPrefix: %w", err)
	}
	s := &Subscriber{cfg: cfg, patience: newPatience(cfg.Heartbeat.Bound()), subs: make(map[*Subscription]struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	lc := cfg.link()
	lc.AfterRead, lc.OnEnd = s.handOver, s.ended
	var err error
	if s.link, err = link.Connect(ctx, url, lc); err != nil {
		s.cancel()
		return nil, err
	}
	return s, nil
}

// Subscribe subscribes to a subject or a pattern, where * stands for one token
// and a last > for one or more. The messages come from the Subscription's
// Messages or Channel. It does not wait for the broker: Flush does. While there
// is no connection the subscription takes effect with the next one.
func (s *Subscriber) Subscribe(subject string, opts ...Option) (*Subscription, error) {
	return s.subscribe(subject, nil, opts)
}

// SubscribeFunc is Subscribe with a handler, which is called with every message
// in the order of arrival, by one goroutine, or by as many as the option
// Concurrency says.
func (s *Subscriber) SubscribeFunc(subject string, handler func(*Msg), opts ...Option) (*Subscription, error) {
	if handler == nil {
		return nil, fmt.Errorf("subscriber: subscribe: %w: the handler is nil; use Subscribe for none", ErrBadOption)
	}
	return s.subscribe(subject, handler, opts)
}

func (s *Subscriber) subscribe(pattern string, handler func(*Msg), opts []Option) (*Subscription, error) {
	if err := subject.CheckPattern(pattern); err != nil {
		return nil, fmt.Errorf("subscriber: subscribe: %w: %w", ErrBadSubject, err)
	}
	o, err := optionsOf(s.cfg, handler != nil, opts)
	if err != nil {
		return nil, fmt.Errorf("subscriber: subscribe: %w", err)
	}
	sub := &Subscription{subscriber: s, subject: pattern, opts: o, handler: handler, pending: newPending(o)}
	sub.drops = &drops{tell: sub.tellDropped}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if sub.sid, err = s.link.Subscribe(pattern, o.queue, sub.receive); err != nil {
		return nil, err
	}
	s.subs[sub] = struct{}{}
	if o.max < math.MaxInt64 {
		_ = s.link.Unsubscribe(sub.sid, o.max) // closed meanwhile: then none comes
	}
	if handler != nil {
		for range o.concurrency {
			// Owned by the subscription. Ends when that ended and its messages
			// were handled; Close and Drain wait for it.
			s.handlers.Go(sub.handle)
		}
	}
	return sub, nil
}

// startFeed starts the goroutine behind the channel of a subscription.
func (s *Subscriber) startFeed(sub *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		close(sub.channel)
		return
	}
	// Owned by the subscription. Ends when that ended and its messages were
	// received, or with s.ctx; Close waits for it.
	s.feeds.Go(sub.feed)
}

// forget drops a subscription with nothing left to do, but for its counts.
func (s *Subscriber) forget(sub *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.subs[sub]; ok {
		delete(s.subs, sub)
		s.counts.add(sub.pending.count())
	}
}

// all returns the subscriptions, oldest first.
func (s *Subscriber) all() []*Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	subs := make([]*Subscription, 0, len(s.subs))
	for sub := range s.subs {
		subs = append(subs, sub)
	}
	slices.SortFunc(subs, func(a, b *Subscription) int {
		return cmp.Or(cmp.Compare(len(a.sid), len(b.sid)), cmp.Compare(a.sid, b.sid))
	})
	return subs
}

// Flush waits until the broker has got everything sent before: after it every
// subscription made before is in effect. While there is no connection it waits
// for one. It returns an *InterruptedError when the connection was lost
// meanwhile.
func (s *Subscriber) Flush(ctx context.Context) error { return s.link.Flush(ctx) }

// Status returns how the connection is. It answers at once, always.
func (s *Subscriber) Status() Status { return s.link.Status() }

// Events returns the events from this call on, until EventClosed was yielded
// or ctx ends. It is for one loop; call it again for another.
func (s *Subscriber) Events(ctx context.Context) iter.Seq[Event] { return s.link.Events(ctx) }

// Done returns a channel that is closed when the Subscriber was closed.
func (s *Subscriber) Done() <-chan struct{} { return s.link.Done() }

// Stats counts since Connect, over all subscriptions.
type Stats struct {
	Connection ConnectionStats
	Delivered  int64 // messages handed to loops, handlers and channels
	Dropped    int64 // messages dropped for want of room
	Repeats    int64 // messages dropped by DropRepeats
	Pending    int64 // messages that wait now

	// Held is how long nothing was read for want of room in a queue: time in
	// which this end was deaf by its own will.
	Held time.Duration
}

// SubscriptionStats counts since Subscribe.
type SubscriptionStats struct {
	Delivered             int64 // messages handed to loops, handlers and channels
	Dropped               int64 // messages dropped for want of room
	Repeats               int64 // messages dropped by DropRepeats
	Pending, PendingBytes int64 // what waits now
}

// Stats returns what was counted since Connect.
func (s *Subscriber) Stats() Stats {
	subs := s.all()
	s.mu.Lock()
	n := s.counts
	s.mu.Unlock()
	var stats Stats
	for _, sub := range subs {
		waiting, _, _ := sub.pending.level()
		stats.Pending += int64(waiting)
		n.add(sub.pending.count())
	}
	stats.Delivered, stats.Dropped, stats.Repeats = n.delivered, n.dropped, n.repeats
	stats.Held = time.Duration(s.held.Load())
	stats.Connection = s.link.Stats()
	return stats
}

// Drain ends without losing a message: it ends every subscription, waits until
// all that the broker had sent has arrived and was handled, and closes. If ctx
// ends first, it closes and returns an *UnhandledError with the number of
// messages left. It must not be called from a handler.
func (s *Subscriber) Drain(ctx context.Context) error {
	subs := s.all()
	for _, sub := range subs {
		_ = s.link.Retire(sub.sid) // closed: Flush says so
	}
	err := s.link.Flush(ctx)
	left := 0
	for _, sub := range subs {
		left += sub.settle(ctx)
	}
	if err == nil {
		err = s.link.Flush(ctx) // what the handlers answered meanwhile
	}
	if left > 0 {
		err = &UnhandledError{Messages: left, Err: ctx.Err()}
	}
	if closeErr := s.Close(); err == nil {
		err = closeErr
	}
	return err
}

// ended ends every loop, after the messages that wait, since no more will come.
func (s *Subscriber) ended(why error) {
	for _, sub := range s.all() {
		sub.end(why)
	}
}

// Close closes the connection and ends every loop with ErrClosed. Messages that
// wait are dropped; their number is returned as an *UnhandledError: call Drain
// to leave none. It waits for every goroutine but for handlers that are running:
// those end by themselves, so that a handler may call Close. A second Close
// returns nil.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel() // a reader that is held, and channels
	for _, sub := range s.all() {
		sub.drops.end()
	}
	err := s.link.Close()
	s.feeds.Wait()
	left, running := 0, false
	for _, sub := range s.all() {
		left += sub.pending.end(false, ErrClosed)
		_, _, busy := sub.pending.level()
		running = running || busy > 0 && sub.handler != nil
		if sub.pending.isFinished() {
			s.forget(sub)
		}
	}
	if !running {
		s.handlers.Wait()
	}
	if left > 0 {
		return &UnhandledError{Messages: left}
	}
	return err
}
