package link

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"vigil/heartbeat"
	"vigil/internal/wire"
)

// Link is one connection to a NATS broker which heals itself. All methods may
// be called concurrently.
type Link struct {
	// Fixed after construction.
	cfg     Config
	base    time.Time // times kept in an atomic count from here
	backoff backoff
	events  *eventHub
	onEvent *eventQueue     // the queue of the goroutine that calls OnEvent
	ctx     context.Context // ends when the end begins
	cancel  context.CancelFunc
	release func() bool   // lets go of Config.Context
	done    chan struct{} // closed when every goroutine but the events' ended
	told    chan struct{} // closed when the events' goroutine ended

	// Atomic.
	counters counters

	// mu guards what follows. It is held for some memory operations at a time,
	// never over I/O and never while waiting.
	mu         sync.Mutex
	rng        *rand.Rand
	state      State
	since      time.Time
	changed    chan struct{} // closed and renewed when room or state changed; nil if nobody waits
	closing    bool          // the end has begun
	why        error         // what ended it, nil for Close
	left       UnsentError   // what was left behind when it began
	toldLeft   bool          // Close has told
	pool       pool
	subs       registry
	routed     routed
	out        outQueue
	conn       *conn             // established, else nil
	hello      *conn             // being greeted, else nil
	toldHello  []byte            // operations about subscriptions made since hello was greeted
	maxPayload int64             // of the last broker, 0 for unlimited
	headers    bool              // whether the last broker has them
	was        *wire.Was         // the connection that the next one takes the place of, nil before a doubt
	learner    heartbeat.Learner // of the last connection, if its detector is one
	learnedOf  string            // the server's address
	last       Status            // what Status tells beside the live values
	lost       Tally             // unconfirmed messages of connections lost
	dropped    Tally             // messages taken that will not be sent
}

// counters are the atomic part of Stats.
type counters struct {
	inMessages, inBytes, connections, losses, serverErrors, unknown atomic.Int64
	outMessages, outBytes                                           int64         // guarded by mu
	reconnects                                                      int64         // guarded by mu
	deaf                                                            time.Duration // guarded by mu
	subsMoved                                                       atomic.Int64
}

// Connect connects to the first of the servers that answers, tried in the
// order given, and then keeps connected until Close. servers is a list of
// URLs, nats://[user[:password]@]host[:port] or tls://, separated by commas. ctx bounds
// this call alone.
//
// It returns a *URLError for a bad URL and a *ConnectError when no server
// answered.
func Connect(ctx context.Context, servers string, cfg Config) (*Link, error) {
	list, err := parseServers(servers)
	if err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	l := newLink(list, cfg)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.ctx, func() { cancel(l.Err()) })()
	c, err := l.connectFirst(ctx)
	if ended := l.Err(); ended != nil { // Config.Context has ended
		c.dismiss()
		err = ended
	}
	if err != nil {
		l.shut(err)
		l.end()
		return nil, err
	}
	l.attach(c, Event{Kind: EventConnected, At: c.confirmedAt, Server: c.server.String()})
	// Owned by the Link. Ended by Close through l.ctx, which waits for it.
	go l.supervise(c)
	return l, nil
}

func newLink(servers []server, cfg Config) *Link {
	now := time.Now()
	l := &Link{
		cfg:     cfg,
		base:    now,
		backoff: backoff{cfg.RetryBase, cfg.RetryCap},
		events:  new(eventHub),
		done:    make(chan struct{}),
		told:    make(chan struct{}),
		rng:     rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		pool:    newPool(servers),
		since:   now,
		headers: true,
	}
	l.pool.tls = l.pool.tls || cfg.TLS != nil
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.release = func() bool { return true }
	if ctx := cfg.Context; ctx != nil {
		// Ends at once; end keeps it from being started later.
		l.release = context.AfterFunc(ctx, func() { l.shut(context.Cause(ctx)) })
	}
	l.out.spare = cfg.KeepUnconfirmed / chunkSize
	if cfg.RoutedProbe > 0 {
		l.startRouted()
	}
	l.onEvent = l.events.add()
	// Owned by the Link. Ended by the Closed event, which Close and a Connect
	// that fails emit; Close waits for it unless OnEvent is what calls Close.
	go l.tell()
	return l
}

// tell hands the events to OnEvent and the log.
func (l *Link) tell() {
	defer close(l.told)
	l.events.each(context.Background(), l.onEvent, func(e Event) bool {
		l.cfg.Logger.LogAttrs(context.Background(), slog.LevelInfo, "connection",
			slog.String("event", e.Kind.String()), slog.String("server", e.Server), slog.String("text", e.String()))
		if l.cfg.OnEvent != nil {
			l.cfg.OnEvent(e)
		}
		return true
	})
}

// Close closes the connection, ends and waits for every goroutine, and tells
// Closed as the last event. What Publish took and no PONG confirmed is
// returned as an *UnsentError: call Flush first to leave nothing behind. After an
// end that Config.Context or GiveUpAfter brought, the first Close returns what was
// left behind then. Any other returns nil when the end is over.
//
// Close may be called from OnEvent; then it does not wait for OnEvent. It must
// not be called from a subscription's handler.
func (l *Link) Close() error {
	l.shut(nil)
	<-l.done
	if !l.events.isBusy(l.onEvent) {
		<-l.told
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.toldLeft || l.left == (UnsentError{}) {
		return nil
	}
	l.toldLeft = true
	left := l.left
	return &left
}

// shut begins the end, of which why is the reason, nil for Close.
func (l *Link) shut(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return
	}
	l.closing, l.why = true, why
	l.left = UnsentError{Queued: l.out.tally}
	if l.conn != nil {
		l.left.Unconfirmed = l.conn.ledger.unconfirmed()
	}
	l.cancel()
}

// closed returns ErrClosed, with the reason if it was not Close. mu is held.
func (l *Link) closed() error {
	if l.why == nil {
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrClosed, l.why)
}

// Err returns nil while the link is open, and then ErrClosed, which wraps why if
// it was not Close that ended it.
func (l *Link) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closing {
		return nil
	}
	return l.closed()
}

// end makes the link closed: nothing can be sent any more and no goroutine of
// a connection is left. The end has begun.
func (l *Link) end() {
	l.release()
	l.mu.Lock()
	l.setState(StateClosed, time.Now())
	left, why := l.left.Queued.plus(l.left.Unconfirmed), l.why
	for _, p := range l.out.keepMessages() { // of a Flush that a lame duck left to the next one
		tellPing(p.done, l.closed())
	}
	l.mu.Unlock()
	if why != nil {
		l.cfg.OnEnd(fmt.Errorf("%w: %w", ErrClosed, why))
	}
	l.events.emit(Event{Kind: EventClosed, At: time.Now(), Unconfirmed: left, Err: why})
	close(l.done)
}

// Done returns a channel that is closed when the link has been closed.
func (l *Link) Done() <-chan struct{} { return l.done }

// Events returns the events from this call on, until Closed was yielded or ctx
// ends. It is for one loop; call it again for another. A loop that is slow
// misses the oldest events, which Event.Missed counts.
func (l *Link) Events(ctx context.Context) iter.Seq[Event] { return l.events.seq(ctx) }

// Emit queues an event of the layer above, such as SlowConsumer.
func (l *Link) Emit(e Event) { l.events.emit(e) }

// Status returns how the connection is. It answers at once, whatever the
// connection is doing.
func (l *Link) Status() Status {
	s, nc := l.status()
	if nc != nil {
		s.TCP = lookAtTCP(nc) // knows nothing of one that was closed meanwhile
	}
	return s
}

// status returns all of Status but TCP, and the transport in use, nil if there
// is none.
func (l *Link) status() (s Status, nc net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s = l.last
	s.State, s.Since, s.Queued = l.state, l.since, l.out.tally
	if c := l.conn; c != nil {
		s.LastHeard = c.lastHeard()
		s.RTT = c.ledger.rtt
		if oldest := c.ledger.oldest(); !oldest.IsZero() {
			s.PongAge = time.Since(oldest)
		}
		s.Unconfirmed = c.ledger.unconfirmed()
		nc = c.nc
	}
	return s, nc
}

// Stats returns what was counted since Connect.
func (l *Link) Stats() Stats {
	n := &l.counters
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{
		InMessages: n.inMessages.Load(), InBytes: n.inBytes.Load(),
		OutMessages: n.outMessages, OutBytes: n.outBytes,
		Connections: n.connections.Load(), Losses: n.losses.Load(),
		Reconnects: n.reconnects, Deaf: n.deaf,
		Unconfirmed: l.lost, Dropped: l.dropped, ServerErrors: n.serverErrors.Load(), Unknown: n.unknown.Load(),
	}
}

// setState enters a state and wakes whoever waits for a change. mu is held.
func (l *Link) setState(s State, now time.Time) {
	if l.state != s {
		l.state, l.since = s, now
	}
	l.broadcast()
}

// broadcast wakes whoever waits for room or for a state. mu is held.
func (l *Link) broadcast() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// change returns a channel that is closed at the next change. mu is held.
func (l *Link) change() <-chan struct{} {
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// established reports whether operations go to a connection. mu is held.
func (l *Link) established() bool { return l.state == StateConnected || l.state == StateSuspect }
