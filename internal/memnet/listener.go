package memnet

import (
	"net"
	"sync"
)

// listener is the net.Listener that Listen returns.
type listener struct {
	// Fixed after construction.
	net  *Network
	host *host

	// Guarded by net.mu.
	cond    sync.Cond // closed, backlog or host.frozen changed
	backlog []*Conn   // established, not accepted; at most maxBacklog
	closed  bool
}

func newListener(n *Network, h *host) *listener {
	l := &listener{net: n, host: h}
	l.cond.L = &n.mu
	return l
}

// Accept waits for a connection. After Close it returns net.ErrClosed.
func (l *listener) Accept() (net.Conn, error) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	for !l.closed && (l.host.frozen || len(l.backlog) == 0) {
		l.cond.Wait()
	}
	if l.closed {
		return nil, l.opError("accept")
	}
	c := l.backlog[0]
	l.backlog = l.backlog[1:]
	l.net.changed.Broadcast()
	return c, nil
}

// Close frees the address. Connections that were accepted live on, those in the
// backlog are reset.
func (l *listener) Close() error {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	if l.closed {
		return l.opError("close")
	}
	for _, c := range l.backlog {
		c.linger = false
		c.close()
	}
	l.shut()
	return nil
}

// shut ends the listener and leaves the backlog as it is.
func (l *listener) shut() {
	l.closed, l.backlog = true, nil
	l.host.listener = nil
	l.cond.Broadcast()
	l.net.changed.Broadcast()
}

// Addr returns the address listened at.
func (l *listener) Addr() net.Addr { return addr(l.host.address) }

// opError is net.ErrClosed as package net wraps it.
func (l *listener) opError(op string) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
}
