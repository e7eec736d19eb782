package front

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// canFilter says that the kernel can be told to drop packets.
	canFilter = true
	// backlog is how many connections wait to be accepted, as many as net allows
	// for by default on most systems.
	backlog = 4096
	// bindTries bounds the ports that are tried.
	bindTries = 16
)

var errRefused = syscall.ECONNREFUSED

// gate is a listening socket that can refuse, by no longer listening, without
// giving its port away.
type gate struct {
	l   *net.TCPListener
	raw syscall.RawConn

	mu       sync.Mutex
	cond     sync.Cond // shutUp or closed changed
	shutUp   bool      // not listening
	dropping bool
	closed   bool
}

func newGate() (*gate, error) {
	// Clients are watched by the protocol's PINGs; keep-alive would only add
	// packets. MPTCP sockets take no filter.
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	var err error
	for range bindTries {
		// A port that the kernel chose while binding is given back when the socket
		// stops listening; one that was asked for is kept.
		var free, l net.Listener
		if free, err = lc.Listen(context.Background(), "tcp4", "127.0.0.1:0"); err != nil {
			return nil, err
		}
		address := free.Addr().String()
		_ = free.Close()
		if l, err = lc.Listen(context.Background(), "tcp4", address); err == nil {
			g := &gate{l: l.(*net.TCPListener)}
			g.cond.L = &g.mu
			if g.raw, err = g.l.SyscallConn(); err != nil {
				return nil, errors.Join(err, l.Close())
			}
			return g, nil
		}
	}
	return nil, err
}

func (g *gate) addr() net.Addr { return g.l.Addr() }

// accept waits for a connection, also while the gate refuses. The error is the end.
func (g *gate) accept() (net.Conn, error) {
	for {
		conn, err := g.l.Accept()
		if err == nil {
			return conn, nil
		}
		g.mu.Lock()
		transient := !g.shutUp && !g.closed
		for g.shutUp && !g.closed {
			g.cond.Wait()
		}
		closed := g.closed
		g.mu.Unlock()
		if closed {
			return nil, err
		}
		if transient {
			time.Sleep(acceptPause)
		}
	}
}

// refuse has dials refused, or served again.
func (g *gate) refuse(on bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shutUp == on || g.closed {
		return nil
	}
	var err error
	control := g.raw.Control(func(fd uintptr) {
		if on {
			err = unix.Shutdown(int(fd), unix.SHUT_RD)
		} else {
			err = unix.Listen(int(fd), backlog)
		}
	})
	if err = errors.Join(err, control); err == nil {
		g.shutUp = on
		g.cond.Broadcast()
	}
	return err
}

// drop has the packets of dials dropped, or let in again.
func (g *gate) drop(on bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dropping == on || g.closed {
		return nil
	}
	err := filter(g.raw, on)
	if err == nil {
		g.dropping = on
	}
	return err
}

func (g *gate) close() error {
	g.mu.Lock()
	g.closed = true
	g.cond.Broadcast()
	g.mu.Unlock()
	return g.l.Close()
}

// dropConn has the packets that come to a connection dropped, or let in again.
func dropConn(conn net.Conn, on bool) error {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	return filter(raw, on)
}

// filter has the kernel drop whatever comes to a socket, before TCP sees it: it
// is not acknowledged. See socket(7), SO_ATTACH_FILTER.
func filter(raw syscall.RawConn, on bool) error {
	var err error
	control := raw.Control(func(fd uintptr) {
		if !on {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
			return
		}
		nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0} // of a packet is let in
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing})
	})
	return errors.Join(err, control)
}
