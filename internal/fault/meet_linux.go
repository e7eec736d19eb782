package fault

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// Meet tells two hosts each other's hardware address for ever, as each host and
// the clients' host know each other's: no packet between them waits for ARP,
// and one that is cut off is silent to the other and not "unreachable". A
// rebooted host has forgotten whom it met.
func (h *Host) Meet(other *Host) error {
	for _, pair := range [][2]*Host{{h, other}, {other, h}} {
		if err := pair[0].learn(pair[1].n); err != nil {
			return fmt.Errorf("fault: %s meets %s: %w", pair[0].Addr(), pair[1].Addr(), err)
		}
	}
	return nil
}

// learn tells the host, or the router before it, the hardware address of host n.
func (h *Host) learn(n int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || !h.ns.IsOpen() {
		return ErrClosed
	}
	return withNetlink(h.cable.ns, func(nl *netlink.Handle) error {
		return neighbour(nl, hostLink, hostAddr(n), hostMAC(n))
	})
}
