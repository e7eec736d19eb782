package memnet

import (
	"bytes"
	"time"
)

// This file is what happens between the two ends of a connection. All of it runs
// with Network.mu held.

// inbound is the direction that ends at a Conn.
type inbound struct {
	flight []segment    // sent by the peer and not yet here, in order
	timer  *time.Timer  // set for when flight[0] is due, if nothing holds it back
	ready  bytes.Buffer // here and not yet read
	eof    bool         // nothing comes after ready

	// size is what the sender's buffer still holds: the bytes in flight, ready,
	// and read without the sender knowing it. Invariant: 0 <= size <= Conn.limit.
	size           int
	unacknowledged int // read without the sender knowing it
}

// segment is what travels: data, or one of two signs.
type segment struct {
	data  []byte
	fin   bool      // nothing more will come
	reset bool      // there is no such connection here
	at    time.Time // not here before; and not before those sent earlier
}

// send puts s on its way to the peer.
func (c *Conn) send(s segment) {
	s.at = time.Now().Add(c.host.delay + c.peer.host.delay)
	in := &c.peer.in
	in.flight = append(in.flight, s)
	in.size += len(s.data)
	c.peer.arrive()
}

// open reports whether packets from this end can reach the peer's host.
func (c *Conn) open() bool {
	return !c.host.cutFrom && !c.peer.host.cutTo && !c.peer.host.gone
}

// arrive takes in what is in flight to this end and due, if nothing holds it
// back. If something is due later it comes back by itself.
func (c *Conn) arrive() {
	for len(c.in.flight) > 0 && c.peer.open() {
		s := c.in.flight[0]
		if wait := time.Until(s.at); wait > 0 {
			c.arriveAfter(wait)
			return
		}
		c.in.flight = c.in.flight[1:]
		c.receive(s)
	}
	c.forget()
}

func (c *Conn) arriveAfter(wait time.Duration) {
	if c.in.timer != nil {
		c.in.timer.Reset(wait)
		return
	}
	c.in.timer = time.AfterFunc(wait, func() {
		c.net.mu.Lock()
		defer c.net.mu.Unlock()
		c.arrive()
	})
}

// receive does what a kernel does with a segment.
func (c *Conn) receive(s segment) {
	switch {
	case s.reset:
		c.resetReceived = true
	case c.vanished, c.finSent && c.closed && !s.fin: // no such socket any more
		c.in.size -= len(s.data)
		c.reset()
	case s.fin:
		c.in.eof = true
	default:
		c.in.ready.Write(s.data)
		c.host.stats.In += len(s.data)
	}
	c.cond.Broadcast()
}

// acknowledge tells the peer what was read here, if that can reach it, and with
// it that there is room again.
func (c *Conn) acknowledge() {
	if c.open() && c.in.unacknowledged > 0 {
		c.in.size -= c.in.unacknowledged
		c.in.unacknowledged = 0
		c.peer.cond.Broadcast()
	}
}

// close is Close, of a Conn that is not closed.
func (c *Conn) close() {
	c.end()
	c.writeClosed = true
	c.finish()
	c.forget()
}

// vanish is what becomes of this end when its host does.
func (c *Conn) vanish() {
	c.end()
	c.vanished = true
	if !c.open() {
		c.peer.in.flight = nil // nobody is left to send it again
	}
}

// end makes this end unusable for its owner. The peer learns nothing.
func (c *Conn) end() {
	c.closed = true
	c.read.set(time.Time{}, nil)
	c.write.set(time.Time{}, nil)
	c.cond.Broadcast()
}

// finish tells the peer that this end has closed, or has closed for writing, if
// it has and if there is somebody to tell it.
func (c *Conn) finish() {
	switch {
	case !c.writeClosed || c.vanished || c.host.frozen:
	case c.closed && (!c.linger || c.in.ready.Len() > 0): // "unread data is lost", RFC 2525, 2.17
		c.reset()
	case !c.finSent:
		c.finSent = true
		c.send(segment{fin: true})
	}
}

// reset tells the peer that there is no connection here, once.
func (c *Conn) reset() {
	if c.resetSent {
		return
	}
	c.resetSent, c.finSent = true, true
	c.host.stats.Resets++
	c.send(segment{reset: true})
}

// forget drops a connection of which nothing can be heard any more.
func (c *Conn) forget() {
	for _, end := range []*Conn{c, c.peer} {
		if !end.closed || len(end.in.flight) > 0 {
			return
		}
	}
	for _, end := range []*Conn{c, c.peer} {
		delete(end.host.conns, end)
		if end.host.client {
			delete(c.net.hosts, end.host.address)
		}
	}
}
