package fault

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Reset aborts the TCP connections of the host for which match returns true, as
// a firewall does that injects RST, and returns how many they were. The peer of
// each gets a RST, the process on the host ECONNABORTED; both have been sent
// when Reset returns. Match is told the addresses as the host sees them, one
// connection after the other; nil matches all. Kernels without
// CONFIG_INET_DIAG_DESTROY cannot: the error is an *UnsupportedError.
func (h *Host) Reset(match func(local, remote netip.AddrPort) bool) (connections int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || !h.ns.IsOpen() {
		return 0, ErrClosed
	}
	err = within(h.ns, func() (err error) {
		connections, err = destroyConnections(func(s *netlink.Socket) bool {
			return isOpen(s) && (match == nil || match(endsOf(s)))
		})
		return err
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		return connections, &UnsupportedError{"resetting connections", err}
	}
	if err != nil {
		return connections, fmt.Errorf("fault: reset connections of %s: %w", h.Addr(), err)
	}
	return connections, nil
}

// isOpen reports whether a socket is that of a connection that RST can end.
func isOpen(s *netlink.Socket) bool {
	switch s.State {
	case netlink.TCP_LISTEN, netlink.TCP_TIME_WAIT, netlink.TCP_CLOSE:
		return false
	}
	return true
}

// endsOf returns the addresses of a socket.
func endsOf(s *netlink.Socket) (local, remote netip.AddrPort) {
	src, _ := netip.AddrFromSlice(s.ID.Source)
	dst, _ := netip.AddrFromSlice(s.ID.Destination)
	return netip.AddrPortFrom(src.Unmap(), s.ID.SourcePort), netip.AddrPortFrom(dst.Unmap(), s.ID.DestinationPort)
}

// destroyOrphans ends the connections in the namespace of this thread whose
// process is gone: they would hold the namespace for a minute or two, until
// the kernel gives up sending their FIN. Kernels without
// CONFIG_INET_DIAG_DESTROY refuse.
func destroyOrphans() error {
	_, err := destroyConnections(func(*netlink.Socket) bool { return true })
	return err
}

// destroyConnections destroys the TCP sockets in the namespace of this thread
// for which match returns true, and returns how many they were.
func destroyConnections(match func(*netlink.Socket) bool) (n int, err error) {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := netlink.SocketDiagTCP(family)
		if err != nil {
			return n, err
		}
		for _, s := range sockets {
			if !match(s) {
				continue
			}
			local, remote := endsOf(s)
			err := netlink.SocketDestroy(net.TCPAddrFromAddrPort(local), net.TCPAddrFromAddrPort(remote))
			switch {
			case err == nil:
				n++
			case !errors.Is(err, unix.ENOENT): // else it has ended by itself
				return n, err
			}
		}
	}
	return n, nil
}
