package subscriber

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"vigil/internal/link"
	"vigil/internal/subject"
)

// Subscriber is a connection to a NATS broker that notices when the broker is
// gone, says why and for how long it was deaf, and reconnects for ever. All
// methods may be called concurrently.
type Subscriber struct {
	// Fixed after construction.
	cfg  Config
	link *link.Link

	// Owned by the connection's reader.
	patience patience

	handlers sync.WaitGroup // the goroutines of subscriptions with a handler

	mu sync.Mutex

	// Guarded by mu.
	subs      map[*Subscription]struct{} // those with something left to do
	closed    bool
	delivered int64 // of subscriptions that are finished
	dropped   int64 // of subscriptions that are finished
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
	l, err := link.Connect(ctx, url, cfg.link())
	if err != nil {
		return nil, err
	}
	return &Subscriber{cfg: cfg, link: l, patience: newPatience(cfg.Heartbeat.Bound()), subs: make(map[*Subscription]struct{})}, nil
}

// Subscribe subscribes to a subject or a pattern, where * stands for one token
// and a last > for one or more. The messages come from the Subscription's
// Messages. It does not wait for the broker: Flush does. While there is no
// connection the subscription takes effect with the next one.
func (s *Subscriber) Subscribe(subject string) (*Subscription, error) {
	return s.subscribe(subject, "", nil)
}

// SubscribeQueue is Subscribe in a queue group: of all members of the group,
// each message reaches one.
func (s *Subscriber) SubscribeQueue(subject, queue string) (*Subscription, error) {
	if err := checkQueue(queue); err != nil {
		return nil, err
	}
	return s.subscribe(subject, queue, nil)
}

// SubscribeFunc is Subscribe with a handler, which one goroutine calls with
// every message in the order of arrival.
func (s *Subscriber) SubscribeFunc(subject string, handler func(*Msg)) (*Subscription, error) {
	return s.subscribe(subject, "", handler)
}

// SubscribeQueueFunc is SubscribeQueue with a handler.
func (s *Subscriber) SubscribeQueueFunc(subject, queue string, handler func(*Msg)) (*Subscription, error) {
	if err := checkQueue(queue); err != nil {
		return nil, err
	}
	return s.subscribe(subject, queue, handler)
}

// checkQueue refuses what would be read as protocol. Anything else may name a
// group.
func checkQueue(queue string) error {
	if queue == "" || strings.ContainsAny(queue, " \t\r\n") {
		return fmt.Errorf("subscriber: subscribe: %w: queue %q is empty or holds a blank", ErrBadSubject, queue)
	}
	return nil
}

func (s *Subscriber) subscribe(pattern, queue string, handler func(*Msg)) (*Subscription, error) {
	if err := subject.CheckPattern(pattern); err != nil {
		return nil, fmt.Errorf("subscriber: subscribe: %w: %w", ErrBadSubject, err)
	}
	sub := &Subscription{subscriber: s, subject: pattern, queue: queue, handler: handler, pending: newPending(s.cfg)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	sid, err := s.link.Subscribe(pattern, queue, sub.receive)
	if err != nil {
		return nil, err
	}
	sub.sid = sid
	s.subs[sub] = struct{}{}
	if handler != nil {
		// Owned by the subscription. Ends when that ended and its messages
		// were handled; Close and Drain wait for it.
		s.handlers.Go(sub.handle)
	}
	return sub, nil
}

// forget drops a subscription with nothing left to do, but for its counts.
func (s *Subscriber) forget(sub *Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.subs[sub]; !ok {
		return
	}
	delete(s.subs, sub)
	_, _, delivered, dropped := sub.pending.count()
	s.delivered += delivered
	s.dropped += dropped
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

// Stats counts since Connect.
type Stats struct {
	Connection ConnectionStats
	Delivered  int64 // messages handed to loops and handlers
	Dropped    int64 // messages dropped for want of room
	Pending    int64 // messages that wait now
}

// Stats returns what was counted since Connect.
func (s *Subscriber) Stats() Stats {
	subs := s.all()
	s.mu.Lock()
	stats := Stats{Delivered: s.delivered, Dropped: s.dropped}
	s.mu.Unlock()
	for _, sub := range subs {
		waiting, _, delivered, dropped := sub.pending.count()
		stats.Pending += int64(waiting)
		stats.Delivered += delivered
		stats.Dropped += dropped
	}
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

// Close closes the connection and ends every loop with ErrClosed. Messages that
// wait are dropped; their number is returned as an *UnhandledError: call Drain
// to leave none. It waits for every goroutine but for handlers that are running:
// those end by themselves, so that a handler may call Close. A second Close
// returns nil.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := s.link.Close()
	left, running := 0, false
	for _, sub := range s.all() {
		n, finished := sub.pending.end(false, ErrClosed)
		left += n
		_, busy, _, _ := sub.pending.count()
		running = running || busy > 0 && sub.handler != nil
		if finished {
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
