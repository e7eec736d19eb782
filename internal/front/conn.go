package front

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"vigil/internal/wire"
)

// lingerFor is how long a client has to close its side behind the broker's.
const lingerFor = time.Second

// state is what a connection is to the front.
type state uint8

const (
	// stateWaiting: accepted, and no more than that.
	stateWaiting state = iota
	// stateOpen: joined to the broker.
	stateOpen
	// stateOrphan: the broker has vanished, the client's socket stays silent.
	stateOrphan
	// stateClosing: the broker has closed, and the client has been told.
	stateClosing
	// stateOver: both sockets are closed.
	stateOver
)

// conn is one connection of a client, and that to the broker behind it.
type conn struct {
	// Fixed after construction.
	f   *Front
	raw net.Conn // the client's: a socket, or memory
	rec *record

	// Set by serve before the pumps start.
	stream net.Conn // raw, or TLS over it

	// quiet is closed when nothing more is written to the client by a pump, deaf when
	// nothing more is read from it.
	quiet, deaf chan struct{}

	// Owned by the pump to that side.
	toTap, fromTap tap

	// Guarded by f.mu.
	cond       sync.Cond // state, own, paths or a condition changed
	state      state
	backend    net.Conn // nil while waiting
	own        condition
	to, from   path
	authorized bool
	shaking    bool // in a TLS handshake, or for ever when Crash came upon it
	settling   bool // of an orphan: nothing more is read after a last look
	filtered   bool // the kernel drops the client's packets
}

func newConn(f *Front, raw net.Conn, id int) *conn {
	c := &conn{
		f: f, raw: raw, stream: raw,
		rec: &record{
			id: id, number: uint64(id), remote: raw.RemoteAddr().String(), opened: time.Now(),
			subs: make(map[string]string), limits: make(map[string]int64),
		},
		quiet:      make(chan struct{}),
		deaf:       make(chan struct{}),
		toTap:      newTap(wire.FromClient),
		fromTap:    newTap(wire.FromBroker),
		authorized: !f.cfg.Guard,
	}
	c.cond.L = &f.mu
	return c
}

// serve is the life of a connection.
func (c *conn) serve() {
	defer c.f.forget(c)
	if !c.join() {
		close(c.quiet)
		return
	}
	greeted := c.greet() == nil
	var pumps sync.WaitGroup
	// All owned by this call, which waits; they end with the connection.
	pumps.Go(func() {
		defer close(c.deaf)
		c.fill(ToBroker, c.stream)
	})
	pumps.Go(func() { c.drain(ToBroker, c.backend, &c.toTap) })
	pumps.Go(func() {
		if greeted {
			c.fill(FromBroker, c.backend)
		} else {
			c.arrived(FromBroker, nil, net.ErrClosed)
		}
	})
	pumps.Go(func() {
		defer close(c.quiet)
		c.drain(FromBroker, c.stream, &c.fromTap)
	})
	pumps.Wait()
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	for c.state == stateOrphan {
		c.cond.Wait()
	}
	c.closeLocked()
}

// join waits until the broker takes connections and makes one. It reports whether
// there is one.
func (c *conn) join() bool {
	f := c.f
	for {
		f.mu.Lock()
		for c.state == stateWaiting && (f.backend == nil || f.silent || f.all.frozen) {
			c.cond.Wait()
		}
		if c.state != stateWaiting {
			f.mu.Unlock()
			return false
		}
		backend, generation := f.backend, f.generation
		f.mu.Unlock()

		conn, err := backend.InProcessConn()
		f.mu.Lock()
		switch {
		case c.state != stateWaiting:
			f.mu.Unlock()
			if err == nil {
				_ = conn.Close()
			}
			return false
		case f.generation == generation && f.backend != nil && err != nil: // it takes no more
			c.resetLocked()
			f.mu.Unlock()
			return false
		case f.generation == generation && f.backend != nil:
			c.backend, c.state = conn, stateOpen
			f.changedLocked()
			f.mu.Unlock()
			return true
		}
		f.mu.Unlock()
		if err == nil {
			_ = conn.Close()
		}
	}
}

// finish ends a connection for the client with a FIN behind what it was sent.
func (c *conn) finish(why string) {
	c.f.mu.Lock()
	open := c.state == stateOpen
	switch {
	case open && !c.rec.left.IsZero():
		c.closeLocked()
		open = false
	case open:
		c.state = stateClosing
		c.f.note(c.rec, "%s", why)
		_ = c.backend.Close()
		c.cond.Broadcast()
		c.f.changedLocked()
	}
	c.f.mu.Unlock()
	if !open {
		return
	}
	c.closeWrite()
	ctx, cancel := context.WithTimeout(context.Background(), lingerFor)
	defer cancel()
	c.awaitOver(ctx)
}

// awaitOver waits until the client has closed its side, or ctx ends, and closes.
func (c *conn) awaitOver(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		c.f.mu.Lock()
		defer c.f.mu.Unlock()
		c.closeLocked()
	})
	defer stop()
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	for c.state != stateOver {
		c.cond.Wait()
	}
}

// closeWrite sends the end of the stream.
func (c *conn) closeWrite() {
	if secure, ok := c.stream.(*tls.Conn); ok {
		_ = secure.SetWriteDeadline(time.Now().Add(lingerFor))
		_ = secure.CloseWrite()
	}
	if half, ok := c.raw.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// orphanLocked takes the broker away from a client, whose socket stays open and
// silent.
func (c *conn) orphanLocked() {
	if c.state != stateOpen {
		return
	}
	c.state = stateOrphan
	_ = c.backend.Close()
	_ = c.raw.SetWriteDeadline(time.Unix(1, 0)) // wakes a pump that writes to the client
	if c.shaking {
		_ = c.raw.SetReadDeadline(time.Unix(1, 0))
	}
	c.filterLocked()
	c.cond.Broadcast()
}

// settleFor is how long a last look may take.
const settleFor = 10 * time.Millisecond

// settle has a last look at the sockets of orphans: a client that has closed its own just
// now has noticed the fault, and must not be taken for one that learns of it by a RST.
func (f *Front) settle(s Scope) {
	f.mu.Lock()
	var orphans []*conn
	for c := range f.conns {
		if c.state == stateOrphan && s.has(c) {
			c.settling = true
			_ = c.raw.SetReadDeadline(time.Now().Add(settleFor))
			c.cond.Broadcast()
			orphans = append(orphans, c)
		}
	}
	f.mu.Unlock()
	for _, c := range orphans {
		<-c.deaf
	}
}

// closeLocked closes both sockets: in order, unless bytes of the client are unread.
func (c *conn) closeLocked() {
	if c.state == stateOver {
		return
	}
	c.state = stateOver
	if c.backend != nil {
		_ = c.backend.Close()
	}
	_ = c.raw.Close()
	c.cond.Broadcast()
}

// resetLocked closes the client's socket with a RST.
func (c *conn) resetLocked() {
	if c.state == stateOver {
		return
	}
	resetConn(c.raw)
	c.closeLocked()
}

// resetConn closes a connection with a RST.
func resetConn(raw net.Conn) {
	if l, ok := raw.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(0) // fails on a closed connection only
	}
	_ = raw.Close()
}

// inMemory reports whether there is no kernel between the client and the front.
func (c *conn) inMemory() bool {
	_, socket := c.raw.(*net.TCPConn)
	return !socket
}
