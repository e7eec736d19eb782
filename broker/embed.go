package broker

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// What follows has the names that those who embed nats-server know, where it
// means the same.

// ClientURL returns the address that clients connect to, as URL does.
func (b *Broker) ClientURL() string { return b.URL() }

// Name returns the server_name that INFO shows.
func (b *Broker) Name() string { return b.info.ServerName }

// ReadyForConnections reports whether clients can connect. There is nothing to
// wait for: they can when [Start] has returned, until Shutdown or LameDuck is
// called. So it returns at once, whatever d is.
func (b *Broker) ReadyForConnections(d time.Duration) bool { return b.takesClients() }

func (b *Broker) takesClients() bool { return !b.lame.Load() && !b.isClosing() }

// WaitForShutdown returns when the broker has stopped: Shutdown or LameDuck was
// called and every goroutine of the broker has ended.
func (b *Broker) WaitForShutdown() { <-b.stopped }

// NumClients returns how many clients are connected.
func (b *Broker) NumClients() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.clients) - b.rejects
}

// MonitorAddr returns the address of the monitoring port, nil without one.
func (b *Broker) MonitorAddr() *net.TCPAddr {
	if b.monitor == nil {
		return nil
	}
	addr, _ := b.monitor.listener.Addr().(*net.TCPAddr)
	return addr
}

// errNotReady is the cause of connections that a broker refuses which is about
// to stop.
var errNotReady = errors.New("the broker is stopping")

// InProcessConn connects a client of the same process without a socket, as
// nats.InProcessServer wants it. It fails when the broker takes no clients any
// more.
//
// The connection is a net.Pipe: a write waits for its read. That is enough for
// clients which read whatever they are doing, as every NATS client must; the
// broker itself never waits for one.
func (b *Broker) InProcessConn() (net.Conn, error) {
	if !b.takesClients() {
		return nil, fmt.Errorf("broker: in-process connection: %w", errNotReady)
	}
	theirs, ours := net.Pipe()
	b.welcome(newClient(b, b.lastID.Add(1), ours)) // closes it if the broker has just begun to stop
	return theirs, nil
}
