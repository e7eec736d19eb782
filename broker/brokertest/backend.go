package brokertest

import (
	"context"
	"net"
	"sync"
	"time"

	"vigil/broker"
)

// vigilBackend is Vigil's broker behind a front.
type vigilBackend struct {
	b *broker.Broker
	// ctx ends with Stop, and with it a lame duck.
	ctx    context.Context
	cancel context.CancelFunc
}

// lameDuckDuration is the default of a test's broker: a second, not minutes.
const lameDuckDuration = time.Second

// startVigil starts Vigil's broker. It listens nowhere: all clients come over
// InProcessConn.
func startVigil(cfg broker.Config, addr net.Addr) (*vigilBackend, error) {
	cfg.Listener = &nowhere{address: addr, closed: make(chan struct{})}
	cfg.MonitorPort = 0
	if cfg.LameDuckGrace == 0 {
		cfg.LameDuckGrace = -1
	}
	if cfg.LameDuckDuration == 0 {
		cfg.LameDuckDuration = max(lameDuckDuration, 2*cfg.LameDuckGrace)
	}
	b, err := broker.Start(cfg)
	if err != nil {
		return nil, err
	}
	v := &vigilBackend{b: b}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	return v, nil
}

func (v *vigilBackend) InProcessConn() (net.Conn, error) { return v.b.InProcessConn() }

// LameDuck says and does what [broker.Broker.LameDuck] does.
func (v *vigilBackend) LameDuck() { _ = v.b.LameDuck(v.ctx) } // its error is that Stop came

// Stop closes all clients and waits.
func (v *vigilBackend) Stop() {
	v.cancel()
	_ = v.b.Shutdown(context.Background()) // fails with its context only
}

// nowhere is a listener to which nobody comes.
type nowhere struct {
	address net.Addr
	once    sync.Once
	closed  chan struct{}
}

func (n *nowhere) Accept() (net.Conn, error) {
	<-n.closed
	return nil, net.ErrClosed
}

func (n *nowhere) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *nowhere) Addr() net.Addr { return n.address }
