package broker

import (
	"net"
	"sync"
)

// pollers is the broker's part that watches sockets: one poller, made for the
// first socket that comes.
type pollers struct {
	makePoller sync.Once
	poller     *poller // nil when there is none
}

// polled is the part of a client whose stream is a socket.
type polled struct {
	socket *socket // nil for other streams
	poll   pollState
}

// pollFor takes a connection over if a poller can watch it.
func (c *client) pollFor(conn net.Conn) bool {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return false // or something around a socket
	}
	b := c.broker
	b.makePoller.Do(func() {
		var err error
		if b.poller, err = newPoller(b.pumps.Go); err != nil {
			b.log.Warn("every client has a goroutine of its own", "error", err)
		}
	})
	if b.poller == nil {
		return false
	}
	s, ok := newSocket(b.poller, conn)
	if !ok {
		return false
	}
	s.client = c
	c.poll.queued = true // until it begins
	c.socket, c.stream = s, s
	return true
}

// socketed reports whether the client's stream calls its outbox.
func (c *client) socketed() bool { return c.socket != nil }

// startPolling gives the client its turns, if its stream is a socket.
func (c *client) startPolling() {
	s := c.socket
	if s == nil {
		return
	}
	s.ended = c.rejected
	if s.use() {
		if err := s.poller.add(c, s.fd); err != nil {
			c.broker.log.Warn("client not watched", "client", c.id, "error", err)
			c.close(readError)
		}
		s.done()
	}
	s.poller.begin(c)
}

// wait lets the client's read loop, or its turn, wait for what f waits for.
func (c *client) wait(f func()) {
	if s := c.socket; s != nil && !s.ended {
		s.poller.wait(f)
		return
	}
	f()
}

// stopPolling ends the poller. No client is left.
func (b *Broker) stopPolling() {
	b.makePoller.Do(func() {}) // none is made any more
	if b.poller != nil {
		b.poller.stop()
	}
}

// closePoller gives back what the poller holds, when its goroutines have ended.
func (b *Broker) closePoller() {
	if b.poller != nil {
		b.poller.close()
	}
}
