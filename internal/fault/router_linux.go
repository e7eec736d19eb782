package fault

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	outerLink = hostLink // the router's link to the switch
	innerLink = "eth1"   // the router's link to its host
	// keepMapping is how long a router keeps the mapping of an idle connection
	// unless told otherwise: the kernel's default.
	keepMapping = 5 * 24 * time.Hour
	// unreachableCode is "host unreachable" of ICMP's destination unreachable,
	// RFC 792.
	unreachableCode = 1

	forwardFile = "/proc/sys/net/ipv4/ip_forward"
	idleFile    = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established"
)

// The two ends of the link between a router and its host; each router has a
// network like that to itself.
var (
	routerAddr = netip.AddrFrom4([4]byte{192, 168, 77, 1})
	innerAddr  = netip.AddrFrom4([4]byte{192, 168, 77, 2})
	routerMAC  = net.HardwareAddr{0x02, 0x4e, 0, 0, 0, 1}
	innerMAC   = net.HardwareAddr{0x02, 0x4e, 0, 0, 0, 2}
)

// Router stands between a host and the switch and translates addresses: what
// the host sends comes from the router's address, and what is sent to that goes
// to the host. It keeps a mapping for each connection, and what belongs to none
// and does not open one is dropped without a word, as in a home router or
// before a cloud's load balancer. A router outlives the reboots of its host.
// Its methods may be called concurrently.
type Router struct {
	// Fixed after construction.
	ns     netns.NsHandle // owned: closed by close
	filter *filter

	mu     sync.Mutex // serialises changes
	closed bool       // guarded by mu
}

// newRouter makes a router that has no links yet.
func newRouter() (*Router, error) {
	ns, err := newNamespace()
	if err != nil {
		return nil, err
	}
	return &Router{ns: ns, filter: newForwardFilter(ns, nftables.TableFamilyIPv4)}, nil
}

// configure makes it forward and translate.
func (r *Router) configure() error {
	if err := r.write(forwardFile, "1"); err != nil {
		return fmt.Errorf("forward packets: %w", err)
	}
	if err := r.filter.create(r.reject(ToHost)); err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	_, err := r.filter.replace("unmapped",
		r.filter.rule("unmapped", dropped(), connectionState(expr.CtStateBitINVALID)),
		r.filter.rule("unmapped", dropped(), connectionState(expr.CtStateBitNEW), tcpFlags(expr.CmpOpEq, SYN)),
	)
	if err != nil {
		return fmt.Errorf("connection tracking: %w", err)
	}
	if err := r.translate(); err != nil {
		return fmt.Errorf("address translation: %w", err)
	}
	return nil
}

// translate adds the rules for addresses.
func (r *Router) translate() error {
	c, err := r.filter.conn()
	if err != nil {
		return err
	}
	in := c.AddChain(&nftables.Chain{
		Name: "in", Table: r.filter.table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest,
	})
	out := c.AddChain(&nftables.Chain{
		Name: "out", Table: r.filter.table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	})
	c.AddRule(&nftables.Rule{Table: r.filter.table, Chain: in, Exprs: append(
		onPort(outerLink, FromHost), // what enters by it
		&expr.Immediate{Register: unix.NFT_REG_1, Data: innerAddr.AsSlice()},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: unix.NFT_REG_1},
	)})
	c.AddRule(&nftables.Rule{Table: r.filter.table, Chain: out, Exprs: append(
		onPort(outerLink, ToHost), // what leaves by it
		&expr.Masq{},
	)})
	return c.Flush()
}

// plug links the router with the namespace of its host.
func (r *Router) plug(host netns.NsHandle) error {
	inner := netlink.NewVeth(attributes(innerLink))
	inner.HardwareAddr = routerMAC
	inner.PeerName = hostLink
	inner.PeerHardwareAddr = innerMAC
	inner.PeerNamespace = netlink.NsFd(host)
	err := withNetlink(r.ns, func(nl *netlink.Handle) error {
		if err := nl.LinkAdd(inner); err != nil {
			return fmt.Errorf("add virtual link %s: %w", innerLink, err)
		}
		if err := configure(nl, innerLink, routerAddr); err != nil {
			return err
		}
		return neighbour(nl, innerLink, innerAddr, innerMAC)
	})
	if err != nil {
		return err
	}
	err = withNetlink(host, func(nl *netlink.Handle) error {
		if err := loopbackUp(nl); err != nil {
			return err
		}
		if err := configure(nl, hostLink, innerAddr); err != nil {
			return err
		}
		if err := neighbour(nl, hostLink, routerAddr, routerMAC); err != nil {
			return err
		}
		if err := nl.RouteAdd(&netlink.Route{Gw: routerAddr.AsSlice()}); err != nil {
			return fmt.Errorf("route to the router: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return waitUp(r.ns, innerLink, host, hostLink)
}

// unplug takes the link to the host away.
func (r *Router) unplug() error { return deleteLink(r.ns, innerLink) }

// close lets go of the router's namespace; its links have to be gone.
func (r *Router) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return r.ns.Close()
}

// do runs a change of the router under mu, and says what was to be done in its
// error.
func (r *Router) do(what string, change func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	if err := change(); err != nil {
		return fmt.Errorf("fault: %s: %w", what, err)
	}
	return nil
}

// Evict forgets all mappings. Both ends of a connection believe that it is open
// and nothing passes on it any more, from when Evict returns; new connections
// do well.
func (r *Router) Evict() error {
	return r.do("evict mappings", func() error {
		var nl *netlink.Handle
		err := within(r.ns, func() (err error) {
			nl, err = netlink.NewHandle(unix.NETLINK_NETFILTER)
			return err
		})
		if err != nil {
			return fmt.Errorf("open netlink: %w", err)
		}
		defer nl.Close()
		return nl.ConntrackTableFlush(netlink.ConntrackTable)
	})
}

// EvictIdle makes the router forget the mapping of a TCP connection on which
// nothing has passed for idle, a whole number of seconds; 0 means never, or
// rather after five days. A connection that exists has the old limit until
// something passes on it. The error is an *UnsupportedError where the limit
// cannot be set.
func (r *Router) EvictIdle(idle time.Duration) error {
	if idle == 0 {
		idle = keepMapping
	}
	if idle < time.Second || idle%time.Second != 0 {
		return fmt.Errorf("fault: evict idle mappings: %v is not a whole number of seconds", idle)
	}
	return r.do("evict idle mappings", func() error {
		err := r.write(idleFile, strconv.FormatInt(int64(idle/time.Second), 10))
		if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
			return &UnsupportedError{"a limit for idle mappings", err}
		}
		return err
	})
}

// Reject makes the router answer what would pass it in direction dir, and in no
// other, with ICMP "host unreachable", from when it returns. The kernel sends
// one a second to each address after the first few. Reject(Both) and then Kill
// is the host that has vanished and whose router knows it: no FIN passes.
// Reject(0) ends it.
func (r *Router) Reject(dir Direction) error {
	return r.do("reject packets", func() error {
		var rules []*nftables.Rule
		for _, one := range dir.each() {
			rules = append(rules, r.reject(one))
		}
		_, err := r.filter.replace("reject", rules...)
		return err
	})
}

// reject is the rule for one direction.
func (r *Router) reject(one Direction) *nftables.Rule {
	verdict := &expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: unreachableCode}
	return r.filter.rule("reject", verdict, onPort(innerLink, one))
}

// connectionState matches packets whose connection is in one of the states.
func connectionState(bits uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: unix.NFT_REG_1},
		&expr.Bitwise{
			SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: 4,
			Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4),
		},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: unix.NFT_REG_1, Data: make([]byte, 4)},
	}
}

// write writes a kernel parameter of the router's namespace.
func (r *Router) write(file, value string) error {
	return within(r.ns, func() error { return os.WriteFile(file, []byte(value), 0) })
}
