package front

import (
	"crypto/tls"
	"errors"
	"net"
)

// Config says what stands where. It is read once, by Start.
type Config struct {
	// Start starts a broker, each time one is needed: by Start and by Restart.
	// Clients reach it at addr, which is always the same.
	Start func(addr net.Addr) (Backend, error)
	// InMemory makes the front reachable by InProcessConn alone: no socket is
	// opened, as a testing/synctest bubble needs it.
	InMemory bool
	// TLS, when set, is what clients must speak behind INFO, which says so. The
	// broker sees what is in it.
	TLS *tls.Config
	// Guard makes the front refuse clients that do not show the Login. The
	// broker is not asked.
	Guard bool
	// Login is what Guard wants, and what Publish shows to the broker.
	Login Login
	// DropPackets has the kernel drop what a crashed or cut off host would not
	// get. Linux only.
	DropPackets bool
}

// Login is how a client proves who it is: a user and password, or a token.
type Login struct{ User, Password, Token string }

// Backend is a broker behind a front.
type Backend interface {
	// InProcessConn connects a client without a socket. A write must wait for
	// its read, as that of net.Pipe does: by that the front knows what the
	// broker has read.
	InProcessConn() (net.Conn, error)
	// LameDuck tells the clients that the broker is to stop, sends them away and
	// stops. Stop cuts it short.
	LameDuck()
	// Stop ends the broker at once and waits until nothing of it is left. It may
	// be called again.
	Stop()
}

var (
	// ErrDown is wrapped by errors of what needs a broker while there is none.
	ErrDown = errors.New("the broker is down: restart it first")
	// ErrClosed is returned by a Front that was closed.
	ErrClosed = errors.New("closed")
	// ErrNoPacketFilter says that packets cannot be dropped here.
	ErrNoPacketFilter = errors.New("packets can be dropped on Linux only, and not in memory")
)
