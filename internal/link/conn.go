package link

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"vigil/internal/wire"
)

// conn is one transport connection, from dialling to its loss. A Link has many
// in its life, never two at a time.
type conn struct {
	// Fixed after construction.
	link   *Link
	nc     net.Conn
	server server

	confirmed chan struct{} // closed when the PONG of the greeting came
	wake      chan struct{} // holds a token when the idle writer shall look
	poke      chan struct{} // holds a token when the watcher shall look
	gone      chan struct{} // closed when the connection was given up
	wg        sync.WaitGroup

	// Set once, by the first to give the connection up, before gone is closed.
	lose sync.Once
	loss *Loss

	// Atomic.
	heard   atomic.Int64 // when the last byte came, counted from link.base
	suspect atomic.Bool  // set by the watcher: the reader shall poke it

	// Owned by the reader (by the greeter before the reader starts).
	in          inbox
	errorEvents int
	lameDuck    bool   // it was announced
	lastErr     string // text of the last -ERR that ends a connection

	// Set by the greeter before the reader starts.
	info *wire.InfoLine

	// Set by the reader before it closes confirmed.
	confirmedAt time.Time

	// Owned by the writer; read by the supervisor when it has ended.
	front   []byte // operations that go before the next chunk
	inHand  *chunk // the chunk being written
	written int    // how much of it the socket took

	// Guarded by link.mu.
	ledger     ledger
	writerIdle bool
	wantPing   bool // a PING shall go before the next chunk
	owedPongs  int  // so many PONGs shall go before the next chunk
	leaving    bool // nothing more is handed over; given up when all is confirmed
}

func newConn(l *Link, nc net.Conn, s server) *conn {
	c := &conn{
		link: l, nc: nc, server: s,
		confirmed: make(chan struct{}),
		wake:      make(chan struct{}, 1),
		poke:      make(chan struct{}, 1),
		gone:      make(chan struct{}),
	}
	c.in.init()
	c.hear(time.Now())
	return c
}

// hear notes that a byte came.
func (c *conn) hear(now time.Time) { c.heard.Store(int64(now.Sub(c.link.base))) }

func (c *conn) lastHeard() time.Time { return c.link.base.Add(time.Duration(c.heard.Load())) }

// giveUp ends the connection for good. The first to call it says why. Closing
// the socket ends a read and a write that are under way.
func (c *conn) giveUp(loss *Loss) {
	c.lose.Do(func() {
		loss.Server = c.server.String()
		if loss.At.IsZero() {
			loss.At = time.Now()
		}
		if loss.Evidence.LastHeard.IsZero() {
			loss.Evidence.LastHeard = c.lastHeard()
			loss.Evidence.Silence = loss.At.Sub(loss.Evidence.LastHeard)
		}
		c.loss = loss
		close(c.gone)
		c.nc.Close() // its error says nothing about a connection given up
	})
}

// fail gives the connection up for an error of the transport.
func (c *conn) fail(err error) { c.giveUp(&Loss{Cause: causeOf(err), Err: err}) }

// isGone reports whether the connection was given up.
func (c *conn) isGone() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}
