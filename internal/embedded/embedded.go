// Package embedded is Vigil's broker as what stands behind a front.
package embedded

import (
	"context"
	"net"
	"sync"
	"time"

	"vigil/broker"
	"vigil/internal/front"
)

// backend is Vigil's broker behind a front.
type backend struct {
	b *broker.Broker
	// ctx ends with Stop, and with it a lame duck.
	ctx    context.Context
	cancel context.CancelFunc
}

// lameDuckDuration is the default of a test's broker: a second, not minutes.
const lameDuckDuration = time.Second

// Start starts Vigil's broker, which tells clients that it is at addr. It listens
// nowhere: all clients come over InProcessConn. Host, Port, Listener and MonitorPort of
// cfg are not looked at. LameDuckGrace 0 is none and LameDuckDuration 0 is 1 s, so that
// tests need not wait.
func Start(cfg broker.Config, addr net.Addr) (front.Backend, error) {
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
	v := &backend{b: b}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	return v, nil
}

func (v *backend) InProcessConn() (net.Conn, error) { return v.b.InProcessConn() }

// LameDuck says and does what [broker.Broker.LameDuck] does.
func (v *backend) LameDuck() { _ = v.b.LameDuck(v.ctx) } // its error is that Stop came

// Stop closes all clients and waits.
func (v *backend) Stop() {
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
