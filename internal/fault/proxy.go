package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// maxProxyClients bounds the client connections that a Proxy keeps, those
	// held in silence included: each costs a descriptor, two in use and 64 KiB.
	maxProxyClients = 4096
	// proxyBuffer is the size of a copy buffer; a link has two, in bytes.
	proxyBuffer = 32 << 10
	// acceptPause is the wait after a failed accept (no descriptors left).
	acceptPause = 10 * time.Millisecond
)

// Proxy is a TCP proxy in user space that can play a vanished host where
// network namespaces are not allowed. What it cannot show: the kernel in front
// of it goes on acknowledging and accepting, so keep-alive, TCP_USER_TIMEOUT and
// dials see a living host, and old connections never get the RST that a
// rebooted host would send. Its methods may be called concurrently.
type Proxy struct {
	// Fixed after construction.
	ln      *net.TCPListener
	backend func() (string, error)
	closing chan struct{} // closed by Close
	ended   chan struct{} // closed at the end of the accept loop

	mu      sync.Mutex
	now     *epoch                    // guarded by mu; the latest, ended while vanished
	gone    bool                      // guarded by mu; between Vanish and Restore
	open    [Both + 1]chan struct{}   // guarded by mu; per direction, closed while bytes may pass
	clients int                       // guarded by mu; connections not closed by us
	refused uint64                    // guarded by mu
	held    map[*net.TCPConn]struct{} // guarded by mu; from before a Vanish: silent for ever
	waiting map[*net.TCPConn]struct{} // guarded by mu; accepted since Vanish: silent until Restore
	closed  bool                      // guarded by mu
}

// epoch is the time between a Restore and the next Vanish.
type epoch struct {
	ctx    context.Context // ends with the epoch
	cancel context.CancelFunc
	links  sync.WaitGroup // the goroutines of the epoch's links
}

func newEpoch() *epoch {
	e := &epoch{}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// end cuts the epoch's links short and waits for them.
func (e *epoch) end() {
	e.cancel()
	e.links.Wait()
}

// NewProxy listens on a free port of 127.0.0.1 and forwards each connection to
// the host:port that backend returns at that moment. If backend fails, or
// nobody listens there, the client gets a RST.
func NewProxy(backend func() (string, error)) (*Proxy, error) {
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("fault: new proxy: %w", err)
	}
	p := &Proxy{
		ln:      ln,
		backend: backend,
		closing: make(chan struct{}),
		ended:   make(chan struct{}),
		now:     newEpoch(),
		held:    map[*net.TCPConn]struct{}{},
		waiting: map[*net.TCPConn]struct{}{},
	}
	for _, dir := range []Direction{ToHost, FromHost} {
		p.open[dir] = make(chan struct{})
		close(p.open[dir])
	}
	// Owned by the proxy; ends when Close closes the listener; Close waits.
	go p.accept()
	return p, nil
}

// Addr returns the host:port that clients dial.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Refused returns how many connections were reset because 4096 were open.
func (p *Proxy) Refused() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// Vanish plays a dead host: once it has returned not a byte is forwarded either
// way, the backend's connections are closed without the clients hearing of it,
// the clients' connections stay open and silent, and new ones are accepted and
// held in silence. What clients send fills the kernel's buffers, so that their
// writes block in the end. It may be called again.
func (p *Proxy) Vanish() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ErrClosed
	}
	p.gone = true
	e := p.now
	p.mu.Unlock()
	e.end()
	return nil
}

// Restore forwards new connections to the backend again and ends all cuts. The
// connections from before Vanish stay open and silent for ever: the proxy
// cannot send the RST of a rebooted host as an answer to the client's next
// packet, since it never sees packets. Those accepted since Vanish are reset.
func (p *Proxy) Restore() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ErrClosed
	}
	if !p.gone {
		p.mu.Unlock()
		return nil
	}
	p.gone = false
	late := p.waiting
	p.waiting = map[*net.TCPConn]struct{}{}
	p.clients -= len(late)
	p.mend()
	p.now = newEpoch()
	p.mu.Unlock()
	for conn := range late {
		reset(conn)
	}
	return nil
}

// Cut keeps bytes, and the end of a stream, in direction dir from passing, in
// addition to what is cut already; a buffer that is being forwarded at that
// moment still arrives, as a packet on the wire would.
func (p *Proxy) Cut(dir Direction) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	for _, one := range []Direction{ToHost, FromHost} {
		if dir&one != 0 && isClosed(p.open[one]) {
			p.open[one] = make(chan struct{})
		}
	}
	return nil
}

// Mend ends all cuts; what was sent meanwhile arrives late.
func (p *Proxy) Mend() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	p.mend()
	return nil
}

// mend is Mend under mu.
func (p *Proxy) mend() {
	for _, one := range []Direction{ToHost, FromHost} {
		if !isClosed(p.open[one]) {
			close(p.open[one])
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Close ends all connections and waits until no goroutine is left. It may be
// called again.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.ended
		return nil
	}
	p.closed = true
	e := p.now
	p.mu.Unlock()

	close(p.closing)
	err := p.ln.Close()
	<-p.ended
	e.end()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, set := range []map[*net.TCPConn]struct{}{p.held, p.waiting} {
		for conn := range set {
			conn.Close()
		}
		clear(set)
	}
	p.clients = 0
	if err != nil {
		return fmt.Errorf("fault: close proxy: %w", err)
	}
	return nil
}

// accept is the accept loop.
func (p *Proxy) accept() {
	defer close(p.ended)
	for {
		conn, err := p.ln.AcceptTCP()
		if err == nil {
			p.admit(conn)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		pause := time.NewTimer(acceptPause)
		select {
		case <-pause.C:
		case <-p.closing:
			pause.Stop()
		}
	}
}

// admit starts a link for conn, holds it in silence or refuses it.
func (p *Proxy) admit(conn *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		reset(conn)
	case p.clients >= maxProxyClients:
		p.refused++
		reset(conn)
	case p.gone:
		p.clients++
		p.waiting[conn] = struct{}{}
	default:
		p.clients++
		e := p.now
		// Owned by the epoch; ends with the connection or with the epoch;
		// Vanish and Close wait.
		e.links.Go(func() { p.settle(conn, p.link(e.ctx, conn)) })
	}
}

// settle closes a client's connection, or holds it if the epoch cut it short.
func (p *Proxy) settle(client *net.TCPConn, short bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if short {
		p.held[client] = struct{}{}
		return
	}
	client.Close()
	p.clients--
}

// link forwards both ways until both ways have ended or ctx has. It reports
// whether it was cut short by ctx, so that the client must hear nothing.
func (p *Proxy) link(ctx context.Context, client *net.TCPConn) (short bool) {
	host, err := p.dial(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return true
		}
		reset(client)
		return false
	}
	defer host.Close()
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		client.SetDeadline(time.Unix(1, 0))
		host.SetDeadline(time.Unix(1, 0))
	})
	back := make(chan bool, 1)
	// Owned by this call, which waits for it; ends as this call does.
	go func() { back <- p.pump(ctx, FromHost, client, host) }()
	shortTo := p.pump(ctx, ToHost, host, client)
	shortFrom := <-back
	if !stop() {
		<-woken
	}
	return shortTo || shortFrom
}

// dial connects to the backend.
func (p *Proxy) dial(ctx context.Context) (*net.TCPConn, error) {
	addr, err := p.backend()
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// pump copies from src to dst until src ends, which it passes on as a half
// close, or either fails, which it passes on as a RST to both. It reports
// whether it was cut short by ctx.
func (p *Proxy) pump(ctx context.Context, dir Direction, dst, src *net.TCPConn) (short bool) {
	buf := make([]byte, proxyBuffer)
	for {
		n, readErr := src.Read(buf)
		select {
		case <-p.passage(dir):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return true
		}
		_, err := dst.Write(buf[:n])
		if err == nil && readErr == nil {
			continue
		}
		if ctx.Err() != nil {
			return true
		}
		if err == nil && readErr == io.EOF && dst.CloseWrite() == nil {
			return false
		}
		reset(src)
		reset(dst)
		return false
	}
}

// passage returns a channel that is closed while bytes may pass in dir.
func (p *Proxy) passage(dir Direction) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open[dir]
}

// reset closes conn with a RST.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0) // fails on a closed connection only
	conn.Close()
}
