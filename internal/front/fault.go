package front

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Scope says whose connections a fault is made to. The zero value is the whole broker;
// others are made by [Named] and [Numbered].
type Scope struct {
	kind scopeKind
	name string // of a named one
	id   uint64 // of a numbered one
}

type scopeKind uint8

const (
	scopeWhole scopeKind = iota
	scopeNamed
	scopeNumbered
)

// part reports whether the scope is not the whole broker.
func (s Scope) part() bool { return s.kind != scopeWhole }

// Named is the client that calls itself name in CONNECT. A lasting fault stays with it
// through its reconnects.
func Named(name string) Scope { return Scope{kind: scopeNamed, name: name} }

// Numbered is the connection with that number: the client_id of its INFO.
func Numbered(id uint64) Scope { return Scope{kind: scopeNumbered, id: id} }

func (s Scope) String() string {
	switch s.kind {
	case scopeNamed:
		return "client " + strconv.Quote(s.name)
	case scopeNumbered:
		return "connection " + decimal(s.id)
	default:
		return "broker"
	}
}

// has reports whether a connection is in the scope, under mu.
func (s Scope) has(c *conn) bool {
	switch s.kind {
	case scopeNamed:
		return c.rec.introduced && c.rec.name == s.name
	case scopeNumbered:
		return c.rec.number == s.id
	default:
		return true
	}
}

// mark is the last fault that harmed clients: whom a reconnect is awaited of.
type mark struct {
	at     time.Time
	before int // the last connection there was
	text   string
	lost   []*record
	subs   [][]string // what each was subscribed to
}

// ErrNoClient is wrapped by the error of a fault that met nobody: those which happen
// to a connection at once need one.
var ErrNoClient = errors.New("no such client is connected")

// reach is what a fault does to connections.
type reach uint8

const (
	spares  reach = iota // nobody need reconnect
	harms                // it lasts, and clients may reconnect
	strikes              // it happens to connections at once
)

// beginLocked notes a fault, and whom it harms.
func (f *Front) beginLocked(s Scope, text string, r reach) error {
	now := time.Now()
	if f.closed {
		return ErrClosed
	}
	if s.part() {
		text += " of " + s.String()
	}
	if r == strikes && s.part() && !f.meetsLocked(s) {
		return fmt.Errorf("%s: %w", text, ErrNoClient)
	}
	f.timeline.add(now, nil, text)
	if r == spares {
		return nil
	}
	m := &mark{at: now, before: f.lastConn, text: text}
	for c := range f.conns {
		if c.state == stateOpen && c.rec.answered && c.rec.left.IsZero() && s.has(c) {
			m.lost = append(m.lost, c.rec)
			m.subs = append(m.subs, c.rec.lasting())
		}
	}
	if len(m.lost) > 0 {
		f.mark = m
	}
	return nil
}

// meetsLocked reports whether a connection is in the scope.
func (f *Front) meetsLocked(s Scope) bool {
	for c := range f.conns {
		if s.has(c) && c.state == stateOpen {
			return true
		}
	}
	return false
}

// change makes a lasting fault, or ends it.
func (f *Front) change(s Scope, text string, r reach, how func(*condition)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changeLocked(s, text, r, how)
}

func (f *Front) changeLocked(s Scope, text string, r reach, how func(*condition)) error {
	if err := f.beginLocked(s, text, r); err != nil {
		return err
	}
	switch s.kind {
	case scopeWhole:
		how(&f.all)
	case scopeNamed:
		c := f.named[s.name]
		how(&c)
		if f.named[s.name] = c; c == (condition{}) {
			delete(f.named, s.name)
		}
	case scopeNumbered:
		for c := range f.conns {
			if s.has(c) {
				how(&c.own)
			}
		}
	}
	f.touchLocked()
	f.gateLocked()
	return nil
}

// BlackHole keeps bytes in direction d from passing until Heal, when they arrive
// late. Connections stay open.
func (f *Front) BlackHole(s Scope, d Direction) error {
	return f.change(s, "BlackHole "+d.String(), harms, func(c *condition) { c.hole |= d })
}

// Freeze stops the process, as SIGSTOP does, while its kernel goes on: dials
// succeed and nothing is answered. The broker's own clock is not stopped: what it
// does meanwhile is seen after Thaw.
func (f *Front) Freeze(s Scope) error {
	return f.change(s, "Freeze", harms, func(c *condition) { c.frozen = true })
}

// Thaw ends Freeze.
func (f *Front) Thaw(s Scope) error {
	return f.change(s, "Thaw", spares, func(c *condition) { c.frozen = false })
}

// Latency makes every byte take d longer, each way. 0 ends it.
func (f *Front) Latency(s Scope, d time.Duration) error {
	return f.change(s, "Latency "+d.String(), spares, func(c *condition) { c.delay = max(0, d) })
}

// Bandwidth lets so many bytes a second pass, each way, on each connection. 0 ends
// it.
func (f *Front) Bandwidth(s Scope, rate int) error {
	return f.change(s, "Bandwidth "+decimal(uint64(max(0, rate)))+" B/s", spares, func(c *condition) { c.rate = max(0, rate) })
}

// SlowReader has clients take no more than so many bytes a second from the broker,
// in which the rest waits. 0 ends it.
func (f *Front) SlowReader(s Scope, rate int) error {
	return f.change(s, "SlowReader "+decimal(uint64(max(0, rate)))+" B/s", harms, func(c *condition) { c.uptake = max(0, rate) })
}

// Refuse has dials refused until Heal.
func (f *Front) Refuse() error { return f.setGate("RefuseConnects", func() { f.refusing = true }) }

// Silence has dials accepted and answered by nothing, until Heal; then they are
// served.
func (f *Front) Silence() error { return f.setGate("AcceptAndSayNothing", func() { f.silent = true }) }

func (f *Front) setGate(text string, how func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.beginLocked(Scope{}, text, spares); err != nil {
		return err
	}
	how()
	f.touchLocked()
	f.gateLocked()
	return nil
}

// gateLocked has the gate do what is wanted of it now.
func (f *Front) gateLocked() {
	if f.gate == nil || f.closed {
		return
	}
	err := f.gate.refuse(f.refusing)
	if f.cfg.DropPackets && !f.refusing {
		err = errors.Join(err, f.gate.drop(f.crashed || f.all.hole != 0))
	}
	if err != nil {
		f.note(nil, "the listening socket does not obey: %v", err)
	}
}

// filterLocked has the kernel drop the client's packets, or not, as is wanted now.
func (c *conn) filterLocked() {
	if !c.f.cfg.DropPackets || c.state == stateOver {
		return
	}
	wanted := c.state == stateOrphan || c.condition().hole&ToBroker != 0
	if wanted == c.filtered || c.inMemory() {
		return
	}
	if err := dropConn(c.raw, wanted); err != nil {
		c.f.note(c.rec, "its packets cannot be dropped: %v", err)
		return
	}
	c.filtered = wanted
}

// Heal ends all lasting faults of the scope but Freeze. On a client it also resets
// what Crash has left of its connections.
func (f *Front) Heal(s Scope) error {
	if s.part() {
		f.settle(s)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !s.part() {
		f.silent = false
		f.refusing = f.refusing && (f.backend == nil || f.leaving)
	}
	for c := range f.conns {
		if s.part() && s.has(c) && c.state == stateOrphan {
			c.resetLocked()
		}
	}
	return f.changeLocked(s, "Heal", spares, func(c *condition) { *c = condition{frozen: c.frozen} })
}

// CutAt cuts each connection of the scope when exactly n more bytes have been
// handed to the client, with a FIN behind them, wherever in a frame that is.
func (f *Front) CutAt(s Scope, n int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.beginLocked(s, "CutAt "+decimal(uint64(max(0, n)))+" bytes", strikes); err != nil {
		return err
	}
	for c := range f.conns {
		if s.has(c) {
			c.from.cut(n)
			c.cond.Broadcast()
		}
	}
	return nil
}

// Reset ends the connections of the scope with a RST.
func (f *Front) Reset(s Scope) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.beginLocked(s, "Reset", strikes); err != nil {
		return err
	}
	for c := range f.conns {
		if s.has(c) {
			c.resetLocked()
		}
	}
	f.changedLocked()
	return nil
}

// Crash makes the broker vanish, as when its host loses power: no FIN, no RST. Once
// it has returned nothing more reaches a client, and the broker is gone. Dials are
// accepted and met by silence, or with DropPackets not answered. Restart resets
// what is left. On a client it is the client that the broker loses: its socket
// stays silent until Heal.
func (f *Front) Crash(s Scope) error {
	f.mu.Lock()
	text := "Crash: vanished without a FIN"
	if f.cfg.DropPackets {
		text += "; the kernel drops what comes"
	}
	if err := f.beginLocked(s, text, strikes); err != nil {
		f.mu.Unlock()
		return err
	}
	var lost []*conn
	for c := range f.conns {
		if s.has(c) && c.state == stateOpen {
			c.orphanLocked()
			lost = append(lost, c)
		}
	}
	backend := f.downLocked(s, &f.crashed)
	f.mu.Unlock()
	for _, c := range lost {
		<-c.quiet
	}
	f.stop(backend)
	return nil
}

// Kill ends the broker's process, as SIGKILL does: its kernel sends each client a
// FIN, and refuses dials. On a client it is its connection that gets the FIN.
func (f *Front) Kill(s Scope) error {
	f.mu.Lock()
	if err := f.beginLocked(s, "Kill: connections closed", strikes); err != nil {
		f.mu.Unlock()
		return err
	}
	for c := range f.conns {
		if s.has(c) {
			c.closeLocked()
		}
	}
	backend := f.downLocked(s, &f.refusing)
	f.gateLocked()
	f.changedLocked()
	f.mu.Unlock()
	f.stop(backend)
	return nil
}

// downLocked takes the backend out of service if the scope is the broker, which
// has the effect on dials. It returns the backend to be stopped, nil for none.
func (f *Front) downLocked(s Scope, effect *bool) (stopped Backend) {
	if s.part() || f.backend == nil {
		return nil
	}
	stopped, f.backend = f.backend, nil
	*effect = true
	f.touchLocked()
	f.gateLocked()
	return stopped
}

func (f *Front) stop(backend Backend) {
	if backend != nil {
		backend.Stop()
	}
}

// LameDuck tells the clients that the broker is to stop, sends them away and stops
// it. It returns when the broker was told; dials are refused from now on.
func (f *Front) LameDuck() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.backend == nil {
		return fmt.Errorf("lame duck: %w", ErrDown)
	}
	if err := f.beginLocked(Scope{}, "LameDuck", harms); err != nil {
		return err
	}
	f.refusing, f.leaving = true, true
	f.gateLocked()
	backend := f.backend
	// Owned by the front; ends when the broker has stopped, which Restart and Close
	// make sure of; Close waits.
	f.wg.Go(backend.LameDuck)
	return nil
}
