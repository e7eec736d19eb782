package broker

import (
	"net"
	"sync"
)

// pollers is the broker's part that watches sockets: one poller, made for the
// first socket that comes.
type pollers struct {
	pollerMu sync.Mutex
	// Guarded by pollerMu.
	poller      *poller // nil when there is none yet
	pollingOver bool    // none is made any more
}

// somePoller returns the poller, nil if it cannot be had now.
func (b *Broker) somePoller() *poller {
	b.pollerMu.Lock()
	defer b.pollerMu.Unlock()
	if b.poller == nil && !b.pollingOver {
		var err error
		if b.poller, err = newPoller(b.pumps.Go); err != nil {
			b.log.Warn("a client has a goroutine of its own", "error", err)
		}
	}
	return b.poller
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
	p := c.broker.somePoller()
	if p == nil {
		return false
	}
	fd, ok := takeOver(conn)
	if !ok {
		return false
	}
	_, local := conn.(*net.UnixConn)
	c.pollBy(p, fd, local)
	return true
}

// pollBy makes a socket the client's stream.
func (c *client) pollBy(p *poller, fd int, local bool) {
	s := &socket{fd: fd, local: local, poller: p, client: c}
	c.poll.queued = true // until it begins
	c.socket, c.stream = s, s
}

// nextClient waits for the next connection and makes a client of it.
func (b *Broker) nextClient() (*client, error) {
	l, ok := b.listener.(*socketListener)
	if !ok {
		return b.acceptConn()
	}
	p := b.somePoller()
	if p == nil {
		return b.acceptConn()
	}
	fd, remote, err := l.accept()
	if err != nil {
		return nil, err
	}
	c := blankClient(b, b.lastID.Add(1), remote)
	c.pollBy(p, fd, false)
	c.prepare()
	return c, nil
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

// assist is called in the client's turn by what takes long.
func (c *client) assist() {
	if s := c.socket; s != nil && !s.ended {
		s.poller.assist()
	}
}

// stopPolling ends the poller. No client is left.
func (b *Broker) stopPolling() {
	b.pollerMu.Lock()
	defer b.pollerMu.Unlock()
	b.pollingOver = true
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
