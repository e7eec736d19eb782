package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vigil/internal/memnet"
	"vigil/internal/wire"
)

const address = "broker:4222"

// peer plays a broker: it greets, answers PINGs, routes messages among its
// connections' subscriptions by equality of subjects, and writes down
// everything it is told.
type peer struct {
	t    testing.TB
	net  *memnet.Network
	addr string
	info wire.InfoLine
	// script, if set, replaces all of the above for a connection. Set it with mu
	// held once the peer has started.
	script func(*peerConn)

	mu    sync.Mutex
	l     net.Listener
	conns []*peerConn
	wg    sync.WaitGroup
}

// peerConn is one connection to a peer.
type peerConn struct {
	peer *peer
	nc   net.Conn
	mute bool // guarded by peer.mu: answers no PING
	mum  bool // guarded by peer.mu: delivers nothing
	over bool // guarded by peer.mu: the connection has ended

	mu     sync.Mutex // over writes and ops
	ops    []string
	bodies []string // the payloads of PUB and HPUB
	subs   map[string]string
	broken error // what ended the stream
}

func newPeer(t testing.TB, n *memnet.Network) *peer {
	return &peer{t: t, net: n, addr: address, info: wire.InfoLine{ServerID: "N", ServerName: "peer", Version: "2.15.2",
		Proto: 1, Headers: true, MaxPayload: 1 << 20}}
}

// start listens; it may be called again after stop or Vanish.
func (p *peer) start() *peer {
	l, err := p.net.Listen(p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.l = l
	p.mu.Unlock()
	p.wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			c := &peerConn{peer: p, nc: nc, subs: make(map[string]string)}
			p.mu.Lock()
			p.conns = append(p.conns, c)
			p.mu.Unlock()
			p.wg.Go(c.serve)
		}
	})
	return p
}

// stop closes the listener and every connection.
func (p *peer) stop() {
	p.mu.Lock()
	p.l.Close()
	for _, c := range p.conns {
		c.nc.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// conn returns the connection with this number, the first being 0.
func (p *peer) conn(i int) *peerConn {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if i >= len(p.conns) {
		p.t.Fatalf("connection %d of %d", i, len(p.conns))
	}
	return p.conns[i]
}

// open returns how many connections have not ended.
func (p *peer) open() int {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.conns {
		if !c.over {
			n++
		}
	}
	return n
}

// lately returns the payloads that the connections after the first got, and how
// the stream ended that got any.
func (p *peer) lately() (payloads []string, err error) {
	synctest.Wait()
	for i := 1; i < p.count(); i++ {
		if got, broken := p.conn(i).payloads(); len(got) > 0 || broken != nil {
			payloads, err = append(payloads, got...), broken
		}
	}
	return payloads, err
}

// set changes a connection's flags.
func (c *peerConn) set(mute, mum bool) {
	c.peer.mu.Lock()
	defer c.peer.mu.Unlock()
	c.mute, c.mum = mute, mum
}

func (p *peer) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

func (c *peerConn) serve() {
	defer func() {
		c.nc.Close()
		c.peer.mu.Lock()
		c.over = true
		c.peer.mu.Unlock()
	}()
	c.peer.mu.Lock()
	script := c.peer.script
	c.peer.mu.Unlock()
	if script != nil {
		script(c)
		return
	}
	c.send(string(wire.AppendInfo(nil, &c.peer.info)))
	c.read()
}

// read acts on what comes until the stream ends.
func (c *peerConn) read() {
	parser := wire.Parser{MaxPayload: 64 << 20}
	var pending []byte
	chunk := make([]byte, 32<<10)
	var op wire.Op
	for {
		n, err := parser.Next(pending, &op)
		if err != nil {
			c.mu.Lock()
			c.broken = err
			c.mu.Unlock()
			return
		}
		if n > 0 {
			pending = pending[n:]
			c.act(&op)
			continue
		}
		got, err := c.nc.Read(chunk)
		if err != nil {
			return
		}
		pending = append(pending, chunk[:got]...)
	}
}

func (c *peerConn) act(op *wire.Op) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch op.Kind {
	case wire.None:
	case wire.Sub:
		c.ops = append(c.ops, strings.Join(strings.Fields(fmt.Sprintf("SUB %s %s %s", op.Subject, op.Queue, op.SID)), " "))
		c.subs[string(op.Subject)] = string(op.SID)
	case wire.Unsub:
		c.ops = append(c.ops, fmt.Sprintf("UNSUB %s %d", op.SID, op.Max))
	case wire.Pub, wire.HPub:
		c.ops = append(c.ops, fmt.Sprintf("PUB %s", op.Subject))
		c.bodies = append(c.bodies, string(op.Payload()))
		c.peer.mu.Lock()
		mum := c.mum
		c.peer.mu.Unlock()
		if sid, ok := c.subs[string(op.Subject)]; ok && !mum {
			c.nc.Write(wire.AppendMsg(nil, op, sid, true))
		}
	case wire.Ping:
		c.ops = append(c.ops, strings.TrimSpace("PING "+string(op.Arg)))
		c.peer.mu.Lock()
		mute := c.mute
		c.peer.mu.Unlock()
		if !mute {
			c.nc.Write([]byte(wire.PongLine))
		}
	case wire.Connect:
		c.ops = append(c.ops, "CONNECT "+string(op.Arg))
	default:
		c.ops = append(c.ops, op.Kind.String())
	}
}

func (c *peerConn) send(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nc.Write([]byte(text))
}

// told returns what was said, with all CONNECTs shortened and PINGs left out.
func (c *peerConn) told() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	var ops []string
	for _, op := range c.ops {
		if !strings.HasPrefix(op, "PING") {
			verb, _, _ := strings.Cut(op, " {")
			ops = append(ops, verb)
		}
	}
	return ops
}

// payloads returns the payloads published and how the stream ended.
func (c *peerConn) payloads() ([]string, error) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.bodies...), c.broken
}

// rig is a link to a peer over a network in memory, in a bubble.
type rig struct {
	t    *testing.T
	net  *memnet.Network
	peer *peer
	link *Link

	mu     sync.Mutex
	events []Event
}

// bubble runs a test in virtual time with a link connected to a peer.
func bubble(t *testing.T, cfg Config, test func(r *rig)) {
	t.Helper()
	bubbleOf(t, cfg, func(*peer) {}, test)
}

// bubbleOf is bubble with a peer that was prepared.
func bubbleOf(t *testing.T, cfg Config, prepare func(p *peer), test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		prepare(r.peer)
		r.peer.start()
		r.connect(cfg)
		test(r)
		r.end()
	})
}

func newRig(t *testing.T) *rig {
	n := memnet.New()
	return &rig{t: t, net: n, peer: newPeer(t, n)}
}

func (r *rig) config(cfg Config) Config {
	cfg.Dial = r.net.DialContext
	cfg.OnEvent = func(e Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, e)
	}
	return cfg
}

func (r *rig) connect(cfg Config) {
	r.t.Helper()
	l, err := Connect(r.t.Context(), address, r.config(cfg))
	if err != nil {
		r.t.Fatal(err)
	}
	r.link = l
}

// end closes everything and checks that the last event is Closed.
func (r *rig) end() {
	r.t.Helper()
	if err := r.link.Close(); err != nil {
		if _, ok := errors.AsType[*UnsentError](err); !ok {
			r.t.Errorf("Close: %v", err)
		}
	}
	r.peer.stop()
	all := r.all()
	if last := all[len(all)-1]; last.Kind != EventClosed {
		r.t.Errorf("last event %v, want closed", last)
	}
	for i, e := range all[1:] {
		if e.At.Before(all[i].At) {
			r.t.Errorf("event %v happened before %v and is told after it", e, all[i])
		}
	}
}

func (r *rig) all() []Event {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Event(nil), r.events...)
}

// kinds returns the kinds of all events but Retrying.
func (r *rig) kinds() string {
	var kinds []string
	for _, e := range r.all() {
		if e.Kind != EventRetrying {
			kinds = append(kinds, e.Kind.String())
		}
	}
	return strings.Join(kinds, ", ")
}

// last returns the last event of a kind.
func (r *rig) last(kind EventKind) Event {
	r.t.Helper()
	all := r.all()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Kind == kind {
			return all[i]
		}
	}
	r.t.Fatalf("no event %v among: %s", kind, r.kinds())
	return Event{}
}

// wantKinds checks the events but Retrying.
func (r *rig) wantKinds(why, want string) {
	r.t.Helper()
	if got := r.kinds(); got != want {
		r.t.Errorf("%s: events %s; want %s", why, got, want)
	}
}

func (r *rig) publish(payloads ...string) {
	r.t.Helper()
	for _, p := range payloads {
		if err := r.link.Publish(r.t.Context(), "s", "", nil, []byte(p)); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) flush() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	if err := r.link.Flush(ctx); err != nil {
		r.t.Fatal(err)
	}
}
