package memnet

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Conn is one end of a connection. It implements net.Conn, and CloseWrite and
// SetLinger of *net.TCPConn. Its methods may be called concurrently.
type Conn struct {
	// Fixed after construction.
	net   *Network
	host  *host
	peer  *Conn
	limit int // bytes that each direction holds

	// Guarded by net.mu.
	cond          sync.Cond // something below, or host.frozen, or room at the peer changed
	in            inbound
	read, write   deadline
	writing       bool // a Write is under way, others wait for it to end
	closed        bool // by Close, or because the host vanished
	vanished      bool // the host lost all memory of this connection
	linger        bool // Close sends a FIN; otherwise a reset
	writeClosed   bool // a FIN, or a reset, is to be sent after what was written
	finSent       bool // or a reset
	resetSent     bool
	resetReceived bool
}

// newPair returns the two ends of a connection from one host to another.
func newPair(n *Network, from, to *host) (client, server *Conn) {
	client = &Conn{net: n, host: from, limit: n.buffer, linger: true}
	server = &Conn{net: n, host: to, limit: n.buffer, linger: true}
	client.peer, server.peer = server, client
	for _, c := range []*Conn{client, server} {
		c.cond.L = &n.mu
		c.host.conns[c] = struct{}{}
	}
	return client, server
}

// Read returns what has arrived, and waits while that is nothing.
func (c *Conn) Read(p []byte) (int, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.opError("read", net.ErrClosed)
		case c.host.frozen:
		case c.read.passed():
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		case c.in.ready.Len() > 0:
			n, _ := c.in.ready.Read(p)
			c.in.unacknowledged += n
			c.acknowledge()
			return n, nil
		case c.in.eof:
			return 0, io.EOF
		case c.resetReceived:
			return 0, c.opError("read", syscall.ECONNRESET)
		}
		c.cond.Wait()
	}
}

// Write returns when the buffer has taken all of p. Concurrent Writes come out
// one after the other, each in one piece.
func (c *Conn) Write(p []byte) (int, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	taken := 0
	mine := false // c.writing is
	defer func() {
		if mine {
			c.writing = false
			c.cond.Broadcast()
		}
	}()
	for {
		room := c.limit - c.peer.in.size
		switch {
		case c.closed:
			return taken, c.opError("write", net.ErrClosed)
		case c.host.frozen:
		case c.write.passed():
			return taken, c.opError("write", os.ErrDeadlineExceeded)
		case c.writing && !mine:
		case c.writeClosed, c.resetReceived && c.in.eof:
			return taken, c.opError("write", syscall.EPIPE)
		case c.resetReceived:
			return taken, c.opError("write", syscall.ECONNRESET)
		case taken == len(p):
			return taken, nil
		case room > 0:
			chunk := p[taken:min(taken+room, len(p))]
			c.writing, mine = true, true
			c.send(segment{data: append([]byte(nil), chunk...)})
			c.host.stats.Out += len(chunk)
			taken += len(chunk)
			if taken == len(p) {
				return taken, nil
			}
			continue
		default:
			c.writing, mine = true, true
		}
		c.cond.Wait()
	}
}

// Close ends both directions. The peer reads what was written, then io.EOF. If
// there are unread bytes here it reads ECONNRESET instead, as these are lost.
func (c *Conn) Close() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.close()
	return nil
}

// CloseWrite ends what this end writes. It can still read.
func (c *Conn) CloseWrite() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.writeClosed = true
	c.finish()
	c.cond.Broadcast()
	return nil
}

// SetLinger makes Close reset the connection when sec is 0, and end it in order
// otherwise.
func (c *Conn) SetLinger(sec int) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	c.linger = sec != 0
	return nil
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return addr(c.host.address) }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return addr(c.peer.host.address) }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadline(t, &c.read, &c.write) }

// SetReadDeadline sets when Reads, waiting ones too, fail with
// os.ErrDeadlineExceeded. The zero t is never.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, &c.read) }

// SetWriteDeadline does the same for Writes, which may have written a part.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.write) }

func (c *Conn) setDeadline(t time.Time, deadlines ...*deadline) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	for _, d := range deadlines {
		d.set(t, c.wake)
	}
	c.cond.Broadcast()
	return nil
}

// wake makes waiting Reads and Writes look again. It is what timers call.
func (c *Conn) wake() {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.cond.Broadcast()
}

// opError wraps err as package net does.
func (c *Conn) opError(op string, err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// deadline is a time after which waiting ends, and the timer that ends it.
type deadline struct {
	at    time.Time // zero is never
	timer *time.Timer
}

func (d *deadline) set(t time.Time, wake func()) {
	if d.timer != nil {
		d.timer.Stop()
	}
	*d = deadline{at: t}
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		d.timer = time.AfterFunc(wait, wake)
	}
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }
