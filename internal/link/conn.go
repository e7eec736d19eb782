package link

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"vigil/internal/wire"
)

// conn is one transport connection, from dialling to its loss. A Link has many
// in its life, one in use at a time, beside which there may be standbys and the
// one that is moved to.
type conn struct {
	// Fixed after construction.
	link   *Link
	nc     net.Conn // the transport: looked at and closed, not read from nor written to
	server server

	wake   chan struct{} // holds a token when the idle writer shall look
	poke   chan struct{} // holds a token when the watcher shall look
	ducked chan struct{} // holds a token when the broker announced that it will stop
	doubt  chan bool     // holds the watcher's last word for the supervisor: the peer is suspected, or not
	hints  bool          // what the network reports is a hint, and no end
	gone   chan struct{} // closed when the connection was given up
	wg     sync.WaitGroup

	// Set once, by the first to give the connection up, before gone is closed.
	lose sync.Once
	loss *Loss

	// Atomic.
	heard   atomic.Int64 // when the last byte came, counted from link.base
	suspect atomic.Bool  // set by the watcher: the reader shall poke it
	hinted  atomic.Bool  // something speaks against the peer: the watcher shall ask
	bare    atomic.Bool  // nothing was subscribed here yet: what is delivered is not ours
	busy    atomic.Bool  // the reader acts on what was heard last, and does not read
	// answering is the URL of a server that answered on another connection
	// while this one was suspected; nil if none did.
	answering atomic.Pointer[string]

	// How messages pass from one connection to another, when this one is left or
	// that one is come to.
	holder    holder
	delivered delivered

	// Owned by the reader (by the greeter before the reader starts).
	in          inbox
	arrival     arrival
	lastCame    time.Time // the earliest at which the last byte may have come, zero before the first read
	errorEvents int
	lameDuck    bool   // it was announced
	lastErr     string // text of the last -ERR that ends a connection

	// Set by the greeter before the reader starts.
	stream   io.ReadWriter // what the protocol runs over: TLS, or the socket
	tls      *tls.Conn     // nil for plain text
	identity string        // where the credentials offered are from

	// Set by the greeter before the reader starts; renewed by the reader, with
	// link.mu held, while the connection is no more than a standby.
	info *wire.InfoLine
	// Set by the greeter when the PONG of the greeting came.
	confirmedAt time.Time
	tlsVersion  string // "TLS 1.3" or the like, "" for plain text

	// Owned by the writer; read by the supervisor when it has ended.
	front   []byte // operations that go before the next chunk
	inHand  *chunk // the chunk being written; changed with link.mu held
	written int    // how much of it the socket took

	// Guarded by link.mu.
	wasHeard   time.Time // when the broker last heard the connection before, zero if it does not say
	ledger     ledger
	kept       kept
	writerIdle bool
	wantPing   bool // a PING shall go before the next chunk
	wantRouted bool // a message to ourselves shall go before the next chunk
	owedPongs  int  // so many PONGs shall go before the next chunk
	unsubbed   bool // what is left has been told so
	leaving    bool // nothing more is handed over; given up when all is confirmed
}

func newConn(l *Link, nc net.Conn, s server) *conn {
	c := &conn{
		link: l, nc: nc, server: s,
		wake:   make(chan struct{}, 1),
		poke:   make(chan struct{}, 1),
		doubt:  make(chan bool, 1),
		ducked: make(chan struct{}, 1),
		hints:  !layered(nc) && hearUnreachable(nc),
		gone:   make(chan struct{}),
	}
	c.kept.limit = l.cfg.KeepUnconfirmed
	c.stream = &socket{nc, c}
	c.tls, _ = nc.(*tls.Conn) // Config.Dial may have seen to it
	c.in.init()
	c.hear(time.Now())
	return c
}

// hear notes that a byte came.
func (c *conn) hear(now time.Time) { c.heard.Store(int64(now.Sub(c.link.base))) }

func (c *conn) lastHeard() time.Time { return c.link.base.Add(time.Duration(c.heard.Load())) }

// deafFrom returns since when something may have been missed. The reader has
// ended.
func (c *conn) deafFrom() time.Time {
	if c.lastCame.IsZero() {
		return c.lastHeard()
	}
	return c.lastCame
}

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
		if url := c.answering.Load(); url != nil {
			loss.Answering = *url
		}
		c.loss = loss
		close(c.gone)
		// Their errors say nothing about a connection given up. TLS that
		// Config.Dial put there would say goodbye into a socket that may be
		// full: the socket goes first.
		below(c.nc).Close()
		c.nc.Close()
	})
}

// isHint reports whether an error of the socket is no more than a hint, and
// passes that on to the watcher. The socket goes on.
func (c *conn) isHint(err error) bool {
	if !c.hints || !isUnreachable(err) || c.isGone() {
		return false
	}
	dropReports(c.nc)
	c.hinted.Store(true)
	token(c.poke)
	return true
}

// fail gives the connection up for an error of the transport.
func (c *conn) fail(err error) {
	loss := &Loss{Cause: causeOf(err), Err: err}
	if loss.Cause == CauseTLS {
		loss.Err = &TLSError{err}
	}
	c.giveUp(loss)
}

// isGone reports whether the connection was given up.
func (c *conn) isGone() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}
