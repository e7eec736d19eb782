package fault

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	clientLink = "vc"   // in the namespace of this process
	clientPort = "pc"   // its other end, in the switch
	hostLink   = "eth0" // in a host's namespace
	bridgeName = "br0"  // in the switch
	loopback   = "lo"   // everywhere
	netBits    = 24     // of 10.77.0.0
	maxHost    = 254    // 10.77.0.255 is the broadcast address

	clientsHost = 1 // the number of the clients' host
	addrGenOff  = 1 // IN6_ADDR_GEN_MODE_NONE: no link-local address
	switchText  = "network namespaces"
)

// errSwitchExists is returned while this process has another Switch open.
var errSwitchExists = errors.New("fault: new switch: this process has one already")

// Switch joins the clients' host, which is the network namespace of this
// process, and the brokers' hosts: a bridge in a namespace of its own. See the
// package documentation for the topology. Its methods may be called
// concurrently.
type Switch struct {
	// Fixed after construction.
	ns     netns.NsHandle // owned: closed by Close
	filter *filter

	mu     sync.Mutex // serialises changes of the topology, the longest wait being answerTimeout
	hosts  map[int]*Host
	closed bool
}

// NewSwitch makes the switch and connects this process to it as 10.77.0.1. The
// process must have been isolated by RunIsolated, since the links would
// otherwise appear in the machine's own network; a process has one switch at a
// time. If the process is not isolated, or the kernel lacks virtual links,
// bridges or nftables, the error is an *UnsupportedError with the reason.
func NewSwitch() (*Switch, error) {
	if err := Isolation(); err != nil {
		return nil, err
	}
	if _, err := netlink.LinkByName(clientLink); err == nil {
		return nil, errSwitchExists
	}
	ns, err := newNamespace()
	if err != nil {
		return nil, &UnsupportedError{switchText, err}
	}
	s := &Switch{ns: ns, filter: newForwardFilter(ns, nftables.TableFamilyBridge), hosts: map[int]*Host{}}
	if err := s.build(); err != nil {
		s.Close()
		return nil, &UnsupportedError{switchText, err}
	}
	return s, nil
}

// build makes the bridge, the clients' link and the empty filter.
func (s *Switch) build() error {
	client, err := netns.Get()
	if err != nil {
		return fmt.Errorf("open own namespace: %w", err)
	}
	defer client.Close()
	err = withNetlink(s.ns, func(h *netlink.Handle) error {
		// Without snooping it has no multicast reports of its own to send.
		bridge := &netlink.Bridge{LinkAttrs: attributes(bridgeName), MulticastSnooping: new(false)}
		if err := h.LinkAdd(bridge); err != nil {
			return fmt.Errorf("add bridge: %w", err)
		}
		_ = h.LinkSetIP6AddrGenMode(bridge, addrGenOff) // fails without IPv6, which is as good
		if err := h.LinkSetUp(bridge); err != nil {
			return fmt.Errorf("bridge up: %w", err)
		}
		return addPort(h, clientPort, clientLink, clientsHost, client)
	})
	if err != nil {
		return err
	}
	err = withNetlink(client, func(h *netlink.Handle) error { return configure(h, clientLink, hostAddr(clientsHost)) })
	if err != nil {
		return err
	}
	if err := waitUp(client, clientLink, s.ns, clientPort); err != nil {
		return err
	}
	return s.filter.create(
		s.filter.rule("tried", dropped(), onPort(clientPort, FromHost)),
		s.filter.rule("tried", dropped(), onPort(clientPort, ToHost), tcpFlags(expr.CmpOpNeq, FIN|RST)),
	)
}

// NewHost makes the broker's host number n, 2 to 254, with the address
// 10.77.0.n. It can be reached at once.
func (s *Switch) NewHost(n int) (*Host, error) { return s.newHost(n, nil) }

// NewHostBehindRouter makes host number n behind a Router that has the address
// 10.77.0.n: others reach the host there, and it reaches them, but its own
// address is another, 192.168.77.2, so a server on it has to listen on all
// addresses. All that a host can do it can, at the router's link to the switch.
// Where the kernel cannot translate addresses or track connections the error is
// an *UnsupportedError.
func (s *Switch) NewHostBehindRouter(n int) (*Host, error) {
	r, err := newRouter()
	if err != nil {
		return nil, fmt.Errorf("fault: new host %d: %w", n, err)
	}
	if err := r.configure(); err != nil {
		r.close()
		return nil, &UnsupportedError{"a router", err}
	}
	h, err := s.newHost(n, r)
	if err != nil {
		r.close()
		return nil, err
	}
	return h, nil
}

// newHost makes host n, behind r if there is one, which the host then owns.
func (s *Switch) newHost(n int, r *Router) (*Host, error) {
	if n < firstHost || n > maxHost {
		return nil, fmt.Errorf("fault: new host: number %d is not within %d to %d", n, firstHost, maxHost)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if s.hosts[n] != nil {
		return nil, fmt.Errorf("fault: new host: number %d exists", n)
	}
	h := &Host{n: n, sw: s, router: r, ns: netns.None(), cable: newCable(s, n)}
	if err := h.plugIn(); err != nil {
		h.unplug()
		h.cable.unplug()
		return nil, fmt.Errorf("fault: new host %d: %w", n, err)
	}
	s.hosts[n] = h
	return h, nil
}

// has reports whether there is a host number n.
func (s *Switch) has(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hosts[n] != nil
}

// forget removes host n from the list.
func (s *Switch) forget(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.hosts, n)
}

// Close closes all hosts, which kills their processes, and takes the switch
// and this process's link away. It may be called again.
func (s *Switch) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	hosts := make([]*Host, 0, len(s.hosts))
	for _, h := range s.hosts {
		hosts = append(hosts, h)
	}
	s.mu.Unlock()

	var errs []error
	for _, h := range hosts {
		errs = append(errs, h.Close())
	}
	// The clients' link goes at once, the rest when the kernel finds that
	// nobody holds the namespace any more.
	if link, err := netlink.LinkByName(clientLink); err == nil {
		errs = append(errs, netlink.LinkDel(link))
	}
	errs = append(errs, s.ns.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("fault: close switch: %w", err)
	}
	return nil
}

// hostAddr is the address of host n; the clients' host is number 1.
func hostAddr(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 77, 0, byte(n)}) }

// hostMAC is the hardware address of host n: locally administered, and the
// same after a reboot.
func hostMAC(n int) net.HardwareAddr { return net.HardwareAddr{0x02, 0x4d, 0, 0, 0, byte(n)} }

// portPrefix is what the names of the switch's links for host n begin with, and
// those of no other.
func portPrefix(n int) string { return fmt.Sprintf("p%d-", n) }

// hostPort is the link that leads to host n: a port of the bridge, unless there
// is a relay.
func hostPort(n int) string { return portPrefix(n) + "host" }

// nearPort and farPort are the two ends of a relay's pair of links.
func nearPort(n int) string { return portPrefix(n) + "near" }
func farPort(n int) string  { return portPrefix(n) + "far" }

// attributes names a link.
func attributes(name string) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name = name
	return a
}

// withNetlink runs f with a route netlink handle on ns.
func withNetlink(ns netns.NsHandle, f func(*netlink.Handle) error) error {
	var h *netlink.Handle
	err := within(ns, func() (err error) {
		h, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer h.Close()
	return f(h)
}

// addPort makes, through the switch's handle, a virtual link from port on the
// bridge to peer in the namespace to, with the hardware address of host n.
func addPort(h *netlink.Handle, port, peer string, n int, to netns.NsHandle) error {
	bridge, err := h.LinkByName(bridgeName)
	if err != nil {
		return fmt.Errorf("find bridge: %w", err)
	}
	veth := netlink.NewVeth(attributes(port))
	veth.MasterIndex = bridge.Attrs().Index
	veth.PeerName = peer
	veth.PeerHardwareAddr = hostMAC(n)
	veth.PeerNamespace = netlink.NsFd(to)
	if err := h.LinkAdd(veth); err != nil {
		return fmt.Errorf("add virtual link %s: %w", port, err)
	}
	_ = h.LinkSetIP6AddrGenMode(veth, addrGenOff)
	if err := h.LinkSetUp(veth); err != nil {
		return fmt.Errorf("link %s up: %w", port, err)
	}
	return nil
}

// waitUp waits until both ends of a virtual link are in operation: the kernel
// finds that out in its own time, and until then it drops what is sent.
func waitUp(ns1 netns.NsHandle, name1 string, ns2 netns.NsHandle, name2 string) error {
	deadline := time.Now().Add(answerTimeout)
	wait := func(ns netns.NsHandle, name string) error {
		return withNetlink(ns, func(h *netlink.Handle) error {
			for ; time.Now().Before(deadline); time.Sleep(upPoll) {
				link, err := h.LinkByName(name)
				if err != nil {
					return fmt.Errorf("find link %s: %w", name, err)
				}
				if link.Attrs().OperState == netlink.OperUp {
					return nil
				}
			}
			return fmt.Errorf("link %s does not come up", name)
		})
	}
	return errors.Join(wait(ns1, name1), wait(ns2, name2))
}

// upPoll is how often waitUp looks.
const upPoll = time.Millisecond

// configure gives a link, seen through h, its address and takes it up.
func configure(h *netlink.Handle, name string, ip netip.Addr) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", name, err)
	}
	_ = h.LinkSetIP6AddrGenMode(link, addrGenOff)
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(netBits, 32)}}
	if err := h.AddrAdd(link, addr); err != nil {
		return fmt.Errorf("address of %s: %w", name, err)
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("link %s up: %w", name, err)
	}
	return nil
}

// neighbour tells a link, seen through h, the hardware address of another for
// ever, so that no packet waits for ARP and a host that is cut off stays silent
// instead of becoming "unreachable".
func neighbour(h *netlink.Handle, name string, ip netip.Addr, mac net.HardwareAddr) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", name, err)
	}
	err = h.NeighSet(&netlink.Neigh{
		LinkIndex:    link.Attrs().Index,
		Family:       unix.AF_INET,
		State:        unix.NUD_PERMANENT,
		IP:           ip.AsSlice(),
		HardwareAddr: mac,
	})
	if err != nil {
		return fmt.Errorf("neighbour %s: %w", ip, err)
	}
	return nil
}

// loopbackUp takes up the loopback interface seen through h.
func loopbackUp(h *netlink.Handle) error {
	lo, err := h.LinkByName(loopback)
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := h.LinkSetUp(lo); err != nil {
		return fmt.Errorf("loopback up: %w", err)
	}
	return nil
}
