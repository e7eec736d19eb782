package front

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"vigil/internal/memnet"
)

const (
	// maxConns bounds the connections kept at once; more are reset.
	maxConns = 4096
	// maxPast bounds the connections remembered that have ended.
	maxPast = 256
	// maxTold bounds the connections whose transcripts are told at once.
	maxTold = 32
	// acceptPause is the wait behind a failed accept: there may be no descriptors left.
	acceptPause = 10 * time.Millisecond
	// memoryAddress is where a front without a socket is.
	memoryAddress = "broker:4222"
)

// Front is a broker with a front. Its methods may be called concurrently, but for
// Restart and Close, which are for one caller at a time.
type Front struct {
	// Fixed after Start.
	cfg    Config
	began  time.Time
	gate   *gate // nil in memory
	memory *memnet.Network
	inside net.Listener // of memory
	addr   net.Addr
	wg     sync.WaitGroup // accept loops, connections, lame ducks
	pub    publisher      // guards itself

	mu         sync.Mutex // guards all that follows, and every conn and record
	backend    Backend    // nil while down
	generation int        // of the backend
	closed     bool
	crashed    bool // down without a word: dials are met by silence
	refusing   bool // dials are refused
	silent     bool // dials are accepted, and that is all
	leaving    bool // the backend is a lame duck
	all        condition
	named      map[string]condition
	conns      map[*conn]struct{}
	past       []*record // ended, the oldest first
	lastConn   int
	changed    chan struct{} // closed and made anew when anything changes
	timeline   timeline
	messages   messages
	published  time.Time // the last message
	mark       *mark     // the last fault that harmed a client; nil is none
}

// Start starts a broker and stands in front of it. Clients can connect when it
// returns.
func Start(cfg Config) (*Front, error) {
	f := &Front{
		cfg:     cfg,
		began:   time.Now(),
		memory:  memnet.New(),
		named:   make(map[string]condition),
		conns:   make(map[*conn]struct{}),
		changed: make(chan struct{}),
		pub:     publisher{turn: make(chan struct{}, 1)},
	}
	address := memoryAddress
	if !cfg.InMemory {
		g, err := newGate()
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		f.gate, address = g, g.addr().String()
	}
	if cfg.DropPackets && (cfg.InMemory || !canFilter) {
		return nil, errors.Join(ErrNoPacketFilter, f.shut())
	}
	inside, err := f.memory.Listen(address)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w", err), f.shut())
	}
	f.inside, f.addr = inside, inside.Addr()
	if f.gate != nil {
		f.addr = f.gate.addr()
	}
	if f.backend, err = cfg.Start(f.addr); err != nil {
		return nil, errors.Join(fmt.Errorf("start the broker: %w", err), f.shut())
	}
	f.note(nil, "listens at %s", f.URL())
	// Owned by the front; end when their listener is closed; Close waits.
	f.wg.Go(func() { f.accept(f.inside.Accept) })
	if f.gate != nil {
		f.wg.Go(func() { f.accept(f.gate.accept) })
	}
	return f, nil
}

// shut closes the listeners.
func (f *Front) shut() error {
	var err error
	if f.gate != nil {
		err = f.gate.close()
	}
	if f.inside != nil {
		err = errors.Join(err, f.inside.Close())
	}
	return err
}

// Addr returns the address that clients dial.
func (f *Front) Addr() net.Addr { return f.addr }

// URL returns what clients connect to: tls:// with TLS, nats:// without. In memory
// nobody listens there.
func (f *Front) URL() string {
	if f.cfg.TLS != nil {
		return "tls://" + f.addr.String()
	}
	return "nats://" + f.addr.String()
}

// InProcessConn connects a client of the same process over a buffered connection
// in memory.
func (f *Front) InProcessConn() (net.Conn, error) {
	f.mu.Lock()
	refused := f.refusing || f.closed
	f.mu.Unlock()
	if refused {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: f.addr, Err: errRefused}
	}
	return f.memory.DialContext(context.Background(), "tcp", f.inside.Addr().String())
}

// accept is an accept loop.
func (f *Front) accept(next func() (net.Conn, error)) {
	for {
		raw, err := next()
		if err != nil {
			return // closed
		}
		f.admit(raw)
	}
}

// admit begins with a connection.
func (f *Front) admit(raw net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.refusing || len(f.conns) >= maxConns {
		resetConn(raw)
		return
	}
	f.lastConn++
	c := newConn(f, raw, f.lastConn)
	f.conns[c] = struct{}{}
	f.note(c.rec, "connected from %s", c.rec.remote)
	c.filterLocked()
	f.changedLocked()
	// Owned by the front; ends with the connection, which Close ends; Close waits.
	f.wg.Go(c.serve)
}

// forget notes that nothing of a connection is left.
func (f *Front) forget(c *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
	c.rec.ended = time.Now()
	if f.past = append(f.past, c.rec); len(f.past) > maxPast {
		f.past = slices.Delete(f.past, 0, 1)
	}
	f.changedLocked()
}

// Restart starts a broker anew, at the same address: one that runs is killed
// before. All faults of the broker are undone, those of single clients are not.
// Sockets from before are reset, as a host does that has come back and remembers
// nothing.
func (f *Front) Restart() error {
	f.mu.Lock()
	running, closed := f.backend != nil, f.closed
	f.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if running {
		if err := f.Kill(Scope{}); err != nil {
			return err
		}
	}
	f.settle(Scope{})
	backend, err := f.cfg.Start(f.addr)
	if err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(nil, "Restart: back at the same address, without memory of its clients")
	for c := range f.conns {
		if c.state != stateOpen {
			c.resetLocked()
		}
	}
	f.backend = backend
	f.generation++
	f.crashed, f.refusing, f.silent, f.leaving = false, false, false, false
	f.all = condition{}
	f.touchLocked()
	f.gateLocked()
	return nil
}

// Close ends everything and waits until no goroutine is left.
func (f *Front) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.closed = true
	backend := f.backend
	f.backend = nil
	for c := range f.conns {
		c.closeLocked()
	}
	f.touchLocked()
	f.mu.Unlock()
	err := f.shut()
	if backend != nil {
		backend.Stop()
	}
	f.wg.Wait()
	return err
}

// since is a time as people are told it.
func (f *Front) since(t time.Time) string { return fmt.Sprintf("%9s", seconds(t.Sub(f.began))) }

// note adds to the timeline, under mu or before anybody else knows f.
func (f *Front) note(who *record, format string, args ...any) {
	f.timeline.add(time.Now(), who, fmt.Sprintf(format, args...))
}

// changedLocked tells those who await something that it may be there.
func (f *Front) changedLocked() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// touchLocked has every connection look at its condition again.
func (f *Front) touchLocked() {
	for c := range f.conns {
		c.filterLocked()
		c.cond.Broadcast()
	}
	f.changedLocked()
}

// Story tells what the broker saw from each client, and when.
func (f *Front) Story() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	f.timeline.write(&b, time.Now(), f.since, f.openLocked())
	return strings.TrimSuffix(b.String(), "\n")
}

// openLocked returns the connections that the broker has, the oldest first.
func (f *Front) openLocked() []*record {
	var open []*record
	for c := range f.conns {
		if c.state == stateOpen {
			open = append(open, c.rec)
		}
	}
	slices.SortFunc(open, func(a, b *record) int { return a.id - b.id })
	return open
}

// recordsLocked returns all connections that are known, the oldest first.
func (f *Front) recordsLocked() []*record {
	all := slices.Clone(f.past)
	for c := range f.conns {
		all = append(all, c.rec)
	}
	slices.SortFunc(all, func(a, b *record) int { return a.id - b.id })
	return all
}

// Transcript returns what passed on the last 32 connections of the clients with that
// name, of all with "": their beginnings and their ends. > is to the broker, < to
// the client. Passwords and tokens are not shown.
func (f *Front) Transcript(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	told := slices.DeleteFunc(f.recordsLocked(), func(r *record) bool { return name != "" && r.name != name })
	var b strings.Builder
	for _, r := range told[max(0, len(told)-maxTold):] {
		b.WriteString(r.transcript(f.since))
	}
	return strings.TrimSuffix(b.String(), "\n")
}
