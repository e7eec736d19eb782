//go:build !linux

package broker

import "net"

// There is a poller for Linux alone: elsewhere every client has the plain form,
// with a goroutine of its own.
type (
	pollers struct{}
	polled  struct{}
)

func listenForSockets(l net.Listener) net.Listener { return l }

func (b *Broker) nextClient() (*client, error) { return b.acceptConn() }

func (c *client) pollFor(net.Conn) bool { return false }
func (c *client) socketed() bool        { return false }
func (c *client) startPolling()         {}
func (c *client) wait(f func())         { f() }
func (c *client) assist()               {}
func (b *Broker) stopPolling()          {}
func (b *Broker) closePoller()          {}
