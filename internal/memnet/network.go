package memnet

import (
	"context"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// defaultBuffer is what each direction of a connection holds: what a kernel
	// gives a socket to begin with, in order of magnitude.
	defaultBuffer = 64 << 10

	// maxBacklog is how many connections wait for Accept. Further dials wait, as
	// Linux makes them by dropping the SYN; 128 was its limit for decades.
	maxBacklog = 128

	// firstEphemeral is the first port given to clients and to Listen with port 0.
	firstEphemeral = 49152
	lastPort       = 65535
)

// Network is a set of hosts that can reach each other, until a fault is made.
// Make one with New. Its methods may be called concurrently.
type Network struct {
	mu sync.Mutex // guards everything below, and all hosts, listeners and conns

	buffer  int
	port    int // the last ephemeral one given out
	hosts   map[string]*host
	changed sync.Cond // a dial may have come possible, or given up
}

// host is one address and what is wrong with it. Guarded by Network.mu.
type host struct {
	address  string
	client   bool      // made by a dial, to be forgotten with its connection
	listener *listener // nil when nobody listens
	conns    map[*Conn]struct{}
	stats    Stats

	cutTo, cutFrom bool
	gone           bool
	frozen         bool
	delay          time.Duration
}

// New returns a Network without hosts and faults.
func New() *Network {
	n := &Network{buffer: defaultBuffer, port: firstEphemeral - 1, hosts: make(map[string]*host)}
	n.changed.L = &n.mu
	return n
}

// SetBuffer sets how many bytes, at least one, each direction of a connection
// holds: of those dialled from now on.
func (n *Network) SetBuffer(bytes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.buffer = max(1, bytes)
}

// Listen returns a listener at address, "host:port" of any host name; port 0
// picks a free one. It fails with EADDRINUSE when there is one already. Listening
// where a host has vanished brings that host back.
func (n *Network) Listen(address string) (net.Listener, error) {
	fail := func(err error) (net.Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: addr(address), Err: err}
	}
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return fail(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == "0" {
		address = n.ephemeral(name)
	}
	h := n.host(address)
	if h.listener != nil {
		return fail(os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	h.listener = newListener(n, h)
	if h.gone {
		h.gone = false
		h.pump()
	}
	n.changed.Broadcast()
	return h.listener, nil
}

// DialContext connects to address, as (*net.Dialer).DialContext does. It fails
// with ECONNREFUSED when nobody listens there, and waits, until ctx is done,
// while the host is cut off or gone or its backlog full. The network must be
// "tcp", "tcp4" or "tcp6".
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := n.dial(ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: addr(address), Err: err}
	}
	return c, nil
}

func (n *Network) dial(ctx context.Context, network, address string) (*Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, net.UnknownNetworkError(network)
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, n.wake)
	defer stop()

	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.host(address)
	h.stats.Dials++
	var answer time.Time // when the answer to our SYN is here; zero before there was one
	for {
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case h.gone || h.cutTo || h.cutFrom:
			answer = time.Time{} // the SYN is repeated
		case answer.IsZero() && h.delay > 0:
			answer = time.Now().Add(2 * h.delay)
			time.AfterFunc(2*h.delay, n.wake)
		case time.Now().Before(answer):
		case h.listener == nil:
			h.stats.Refused++
			return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
		case len(h.listener.backlog) < maxBacklog:
			return n.connect(h), nil
		}
		n.changed.Wait()
	}
}

// connect makes a connection from a new client address to h, puts its far end
// into the backlog and returns the near one.
func (n *Network) connect(h *host) *Conn {
	l := h.listener
	near := n.host(n.ephemeral("client"))
	near.client = true
	client, server := newPair(n, near, h)
	h.stats.Conns++
	l.backlog = append(l.backlog, server)
	l.cond.Broadcast()
	return client
}

// host returns the host of an address. All addresses exist.
func (n *Network) host(address string) *host {
	h := n.hosts[address]
	if h == nil {
		h = &host{address: address, conns: make(map[*Conn]struct{})}
		n.hosts[address] = h
	}
	return h
}

// ephemeral returns an address that is not in use.
func (n *Network) ephemeral(name string) string {
	for {
		n.port = firstEphemeral + (n.port+1-firstEphemeral)%(lastPort+1-firstEphemeral)
		address := net.JoinHostPort(name, strconv.Itoa(n.port))
		if n.hosts[address] == nil {
			return address
		}
	}
}

// wake makes the dials look again. It is what timers and contexts call.
func (n *Network) wake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changed.Broadcast()
}

// addr is a net.Addr.
type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }
