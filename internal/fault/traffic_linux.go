package fault

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// Traffic returns what has passed between the host and the switch, both ways
// together, since the host was made or rebooted: frames, and their bytes with
// Ethernet headers. A large segment that the kernel has not cut to frames counts
// as one frame with one set of headers; it cuts them where frames are lost or
// delayed.
func (h *Host) Traffic() (frames, bytes uint64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return 0, 0, ErrClosed
	}
	err = withNetlink(h.sw.ns, func(nl *netlink.Handle) error {
		link, err := nl.LinkByName(hostPort(h.n))
		if err != nil {
			return err
		}
		if s := link.Attrs().Statistics; s != nil {
			frames, bytes = s.RxPackets+s.TxPackets, s.RxBytes+s.TxBytes
		}
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("fault: traffic of host %d: %w", h.n, err)
	}
	return frames, bytes, nil
}
