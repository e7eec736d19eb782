package front

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"vigil/internal/wire"
)

const (
	// lingerFor is how long a client has to close its side behind the broker's.
	lingerFor = time.Second
	// fillBuffer is what is read at once, in bytes.
	fillBuffer = 16 << 10
)

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

	// quiet is closed when nothing more is written to the client by a pump.
	quiet chan struct{}

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
	pumps.Go(func() { c.fill(ToBroker, c.stream) })
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

// condition returns what is wrong with the connection, under mu.
func (c *conn) condition() condition {
	all := c.f.all.with(c.own)
	if c.rec.introduced {
		all = all.with(c.f.named[c.rec.name])
	}
	return all
}

// lane returns the condition of one direction, under mu.
func (c *conn) lane(d Direction) lane { return c.condition().lane(d) }

func (c *conn) path(d Direction) *path {
	if d == ToBroker {
		return &c.to
	}
	return &c.from
}

// fill reads one direction until it ends.
func (c *conn) fill(d Direction, src net.Conn) {
	buf := make([]byte, fillBuffer)
	for {
		room := c.awaitRoom(d)
		if room == 0 {
			return
		}
		n, err := src.Read(buf[:min(room, len(buf))])
		c.arrived(d, buf[:n], err)
		if err != nil {
			return
		}
	}
}

// awaitRoom waits until more may be read, and returns how much: 0 is never again.
func (c *conn) awaitRoom(d Direction) int {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	for {
		switch {
		case c.state == stateOver, d == FromBroker && c.state != stateOpen:
			return 0
		case c.state == stateClosing: // read, and thrown away
			return fillBuffer
		}
		if room := c.path(d).room(c.lane(d)); room > 0 {
			return room
		}
		c.cond.Wait()
	}
}

// arrived takes in what was read.
func (c *conn) arrived(d Direction, data []byte, err error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	now := time.Now()
	p := c.path(d)
	if c.state != stateClosing {
		p.put(now, data, c.lane(d).delay)
	}
	if err != nil && c.shaking {
		return // Crash came upon a handshake
	}
	if err != nil {
		p.ended = true
		if d == ToBroker && c.state != stateOver {
			c.rec.left = now
			c.f.note(c.rec, "closed its connection%s", c.rec.silence(now))
			if c.state != stateOpen {
				c.closeLocked()
			}
		}
		c.f.changedLocked()
	}
	c.cond.Broadcast()
}

// drain carries one direction on until it ends.
func (c *conn) drain(d Direction, dst net.Conn, t *tap) {
	for {
		do, data := c.await(d)
		switch do {
		case stepPass:
			if !c.pass(d, dst, t, data) {
				return
			}
		case stepCut:
			c.finish("was cut off by CutAt")
			return
		case stepEnd:
			if d == FromBroker {
				c.finish("its connection was closed by the broker")
			} else {
				_ = dst.Close()
			}
			return
		default:
			return
		}
	}
}

// await waits until there is something to do. stepWait is that there never will be.
func (c *conn) await(d Direction) (step, []byte) {
	f := c.f
	f.mu.Lock()
	defer f.mu.Unlock()
	for c.state == stateOpen {
		do, data, wait := c.path(d).next(time.Now(), c.lane(d))
		if do != stepWait {
			return do, data
		}
		if wait == 0 {
			c.cond.Wait()
			continue
		}
		timer := time.AfterFunc(wait, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			c.cond.Broadcast()
		})
		c.cond.Wait()
		timer.Stop()
	}
	return stepWait, nil
}

// pass hands data over. It reports whether the direction goes on.
func (c *conn) pass(d Direction, dst net.Conn, t *tap, data []byte) bool {
	entries := t.feed(data)
	if d == ToBroker && !c.permitted(entries) {
		return false
	}
	c.write(d, entries)
	_, err := dst.Write(data)
	if err == nil && d == ToBroker && needsProof(entries) {
		// An empty write to a pipe returns when the broker reads again: behind all
		// that it had read before.
		_, err = dst.Write(nil)
	}
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.cond.Broadcast() // there is room
	if err != nil {
		c.brokeLocked(d)
		return false
	}
	if d == ToBroker {
		c.rec.heard = time.Now()
	}
	for i := range entries {
		c.rec.apply(d, &entries[i])
		c.f.messages.passed(d, &entries[i])
	}
	if len(entries) > 0 {
		c.f.changedLocked()
	}
	return true
}

// write records what is about to pass.
func (c *conn) write(d Direction, entries []entry) {
	if len(entries) == 0 {
		return
	}
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	now := time.Now()
	for i := range entries {
		c.rec.write(now, d, &entries[i])
		if text := telling(d, &entries[i]); text != "" {
			c.f.timeline.add(now, c.rec, text)
		}
	}
}

// needsProof reports whether operations are among them whose effect somebody may
// await.
func needsProof(entries []entry) bool {
	for i := range entries {
		switch entries[i].kind {
		case wire.Sub, wire.Unsub, wire.Connect:
			return true
		}
	}
	return false
}

// brokeLocked notes that a direction takes nothing more.
func (c *conn) brokeLocked(d Direction) {
	if c.state != stateOpen {
		return
	}
	if d == FromBroker { // the client has gone: the broker is to see it
		c.to.ended = true
		_ = c.backend.Close()
	}
	c.path(d).ended = true
	c.cond.Broadcast()
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
