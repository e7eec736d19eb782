//go:build !linux

package front

import (
	"context"
	"net"
	"sync"
	"syscall"
	"time"
)

// canFilter says that the kernel can be told to drop packets.
const canFilter = false

var errRefused = syscall.ECONNREFUSED

// gate is a listening socket that can refuse, by being closed. Meanwhile its port
// is anybody's.
type gate struct {
	address net.Addr

	mu     sync.Mutex
	cond   sync.Cond    // l or closed changed
	l      net.Listener // nil while refusing
	closed bool
}

func newGate() (*gate, error) {
	g := &gate{}
	g.cond.L = &g.mu
	l, err := listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g.l, g.address = l, l.Addr()
	return g, nil
}

// listen listens without keep-alive: clients are watched by the protocol's PINGs.
func listen(address string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAlive: -1}
	return lc.Listen(context.Background(), "tcp4", address)
}

func (g *gate) addr() net.Addr { return g.address }

// accept waits for a connection, also while the gate refuses. The error is the end.
func (g *gate) accept() (net.Conn, error) {
	for {
		g.mu.Lock()
		for g.l == nil && !g.closed {
			g.cond.Wait()
		}
		l, closed := g.l, g.closed
		g.mu.Unlock()
		if closed {
			return nil, net.ErrClosed
		}
		conn, err := l.Accept()
		if err == nil {
			return conn, nil
		}
		g.mu.Lock()
		mine := g.l == l && !g.closed
		g.mu.Unlock()
		if mine {
			time.Sleep(acceptPause)
		}
	}
}

// refuse has dials refused, or served again.
func (g *gate) refuse(on bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || on == (g.l == nil) {
		return nil
	}
	if on {
		l := g.l
		g.l = nil
		return l.Close()
	}
	l, err := listen(g.address.String())
	if err == nil {
		g.l = l
		g.cond.Broadcast()
	}
	return err
}

// drop is not to be had.
func (g *gate) drop(on bool) error { return nil }

func (g *gate) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.cond.Broadcast()
	if g.l == nil {
		return nil
	}
	return g.l.Close()
}

// dropConn is not to be had.
func dropConn(net.Conn, bool) error { return nil }
