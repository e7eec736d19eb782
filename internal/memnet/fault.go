package memnet

import "time"

// Cut holds all packets to and from address until Heal.
func (n *Network) Cut(address string) {
	n.change(address, func(h *host) { h.cutTo, h.cutFrom = true, true })
}

// CutTo holds the packets to address until Heal: it still speaks, but is deaf.
func (n *Network) CutTo(address string) {
	n.change(address, func(h *host) { h.cutTo = true })
}

// CutFrom holds the packets from address until Heal: it still hears, but is mute.
func (n *Network) CutFrom(address string) {
	n.change(address, func(h *host) { h.cutFrom = true })
}

// Heal ends all cuts of address. What was held arrives now, in order.
func (n *Network) Heal(address string) {
	n.change(address, func(h *host) {
		h.cutTo, h.cutFrom = false, false
		h.pump()
	})
}

// Vanish removes the host behind address with its listener and the state of its
// connections, and sends nobody a FIN. At its own ends everything fails with
// net.ErrClosed from now on, so that the code under test can be wound up; the
// other ends hang. Listen brings the host back, without its memory.
func (n *Network) Vanish(address string) {
	n.change(address, func(h *host) {
		h.gone, h.frozen = true, false
		if h.listener != nil {
			h.listener.shut()
		}
		for c := range h.conns {
			c.vanish()
		}
	})
}

// Freeze stops the process behind address until Thaw, while its kernel goes on
// acknowledging.
func (n *Network) Freeze(address string) {
	n.change(address, func(h *host) { h.frozen = true })
}

// Thaw lets the process behind address go on.
func (n *Network) Thaw(address string) {
	n.change(address, func(h *host) {
		h.frozen = false
		if h.listener != nil {
			h.listener.cond.Broadcast()
		}
		for c := range h.conns {
			c.finish()
			c.cond.Broadcast()
		}
	})
}

// Delay makes each packet to or from address, if sent from now on, take d. A
// connection between two addresses that are both delayed takes the sum.
func (n *Network) Delay(address string, d time.Duration) {
	n.change(address, func(h *host) { h.delay = d })
}

// change applies f to the host of address.
func (n *Network) change(address string, f func(h *host)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(n.host(address))
	n.changed.Broadcast()
}

// pump moves whatever can move on the connections of h, in both directions.
func (h *host) pump() {
	for c := range h.conns {
		c.arrive()
		c.peer.arrive()
		c.acknowledge()
		c.peer.acknowledge()
	}
}

// Stats counts what happened at one address since the Network was made.
type Stats struct {
	Dials   int // attempts to connect to it, whatever came of them
	Refused int // those that were refused
	Conns   int // those that became connections
	Resets  int // resets that it sent
	In, Out int // bytes of data that arrived at it, and that it wrote
}

// Stats returns the counters of address. An attempt that still waits, or gave up
// waiting, is in Dials alone. The counters of a client's address end with its
// connection.
func (n *Network) Stats(address string) Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.host(address).stats
}
