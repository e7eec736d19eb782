package fault

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// newRouted makes host n behind a router.
func newRouted(t *testing.T, s *Switch, n int) *Host {
	t.Helper()
	h, err := s.NewHostBehindRouter(n)
	if errors.Is(err, errors.ErrUnsupported) {
		skipNamespaces(t, err)
	}
	do(t, err)
	return h
}

// pair connects from one host to another, either of which may be nil for the
// clients' host, and returns both ends.
func pair(t *testing.T, from, to *Host) (client, server *net.TCPConn) {
	t.Helper()
	ln, err := listenAt(to, func() (net.Listener, error) { return net.Listen("tcp4", ":0") })
	do(t, err)
	defer ln.Close()
	addr := hostAddr(clientsHost)
	if to != nil {
		addr = to.Addr()
	}
	target := netip.AddrPortFrom(addr, uint16(ln.Addr().(*net.TCPAddr).Port)).String()
	c, err := listenAt(from, func() (net.Conn, error) { return net.DialTimeout("tcp4", target, bound) })
	do(t, err)
	t.Cleanup(func() { c.Close() })
	s, err := ln.Accept()
	do(t, err)
	t.Cleanup(func() { s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// expectPassing checks that bytes pass both ways.
func expectPassing(t *testing.T, a, b net.Conn) {
	t.Helper()
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		_, err := io.WriteString(way[0], "hello")
		do(t, err)
		expectBytes(t, way[1], "hello")
	}
}

// expectDeaf checks that both ends are open, that nothing passes between them
// and that nobody acknowledges anything.
func expectDeaf(t *testing.T, a, b *net.TCPConn) {
	t.Helper()
	for _, conn := range []*net.TCPConn{a, b} {
		_, err := io.WriteString(conn, "anybody?")
		do(t, err)
	}
	for _, conn := range []*net.TCPConn{a, b} {
		expectSilence(t, conn)
		if info := expectEstablished(t, conn); info.Unacked == 0 {
			t.Error("what was sent was acknowledged")
		}
	}
}

// routes are the ways in which a connection can lead through a router.
func routes(t *testing.T, s *Switch) map[string][2]*Host {
	routed, plain := newRouted(t, s, 2), newHost(t, s, 3)
	do(t, routed.Meet(plain))
	return map[string][2]*Host{
		"client behind the router": {routed, plain},
		"broker behind the router": {nil, routed},
	}
}

func TestRouterTranslates(t *testing.T) {
	s := needSwitch(t)
	for name, hosts := range routes(t, s) {
		t.Run(name, func(t *testing.T) {
			client, server := pair(t, hosts[0], hosts[1])
			expectPassing(t, client, server)
			routed, other := client, server
			if hosts[0] == nil {
				routed, other = server, client
			}
			if ip := routed.LocalAddr().(*net.TCPAddr).IP.String(); ip != innerAddr.String() {
				t.Errorf("the host behind the router has the address %s", ip)
			}
			if ip := other.RemoteAddr().(*net.TCPAddr).IP.String(); ip != hostAddr(2).String() {
				t.Errorf("others see it at %s", ip)
			}
		})
	}
}

func TestEvictedMappingIsDeafOnBothSides(t *testing.T) {
	s := needSwitch(t)
	for name, hosts := range routes(t, s) {
		t.Run(name, func(t *testing.T) {
			router := s.hosts[2].Router()
			client, server := pair(t, hosts[0], hosts[1])
			expectPassing(t, client, server)
			do(t, router.Evict())
			expectDeaf(t, client, server)
			fresh, its := pair(t, hosts[0], hosts[1])
			expectPassing(t, fresh, its)
			expectDeaf(t, client, server)
		})
	}
}

func TestIdleMappingIsEvicted(t *testing.T) {
	s := needSwitch(t)
	h := newRouted(t, s, 2)
	for _, wrong := range []time.Duration{-1, 1, time.Second + 1} {
		if err := h.Router().EvictIdle(wrong); err == nil {
			t.Errorf("mappings are evicted after %v", wrong)
		}
	}
	err := h.Router().EvictIdle(time.Second)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("SKIP: ", err)
	}
	do(t, err)
	client, server := pair(t, nil, h)
	expectPassing(t, client, server)
	for deadline := time.Now().Add(bound); mappings(t, h.Router()) > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the mapping stays")
		}
	}
	expectDeaf(t, client, server)

	do(t, h.Router().EvictIdle(0))
	client, server = pair(t, nil, h)
	expectPassing(t, client, server)
	if mappings(t, h.Router()) == 0 {
		t.Error("no mapping for an open connection")
	}
}

// mappings counts the mappings of connections that are established.
func mappings(t *testing.T, r *Router) (n int) {
	t.Helper()
	do(t, within(r.ns, func() error {
		flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
		for _, f := range flows {
			if f.Forward.DstPort != probePort {
				n++
			}
		}
		return err
	}))
	return n
}

// A host that is unreachable says so: by IP_RECVERR to who has a connection, at
// once to who dials.
func TestRejectedIsUnreachable(t *testing.T) {
	s := needSwitch(t)
	for name, hosts := range routes(t, s) {
		t.Run(name, func(t *testing.T) {
			router := s.hosts[2].Router()
			client, server := pair(t, hosts[0], hosts[1])
			expectPassing(t, client, server)
			dir := ToHost
			if hosts[0] != nil {
				dir = FromHost
			}
			raw, err := client.SyscallConn()
			do(t, err)
			do(t, raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_RECVERR, 1) }))
			do(t, err)
			do(t, router.Reject(dir))
			_, err = io.WriteString(client, "anybody?")
			do(t, err)
			if err := expectEnd(t, client); !errors.Is(err, syscall.EHOSTUNREACH) {
				t.Errorf("the connection got %v, want EHOSTUNREACH", err)
			}
			expectEstablished(t, client) // it is a hint, and no end
			target := client.RemoteAddr().String()
			_, err = listenAt(hosts[0], func() (net.Conn, error) { return net.DialTimeout("tcp4", target, bound) })
			if !errors.Is(err, syscall.EHOSTUNREACH) {
				t.Errorf("a dial got %v, want EHOSTUNREACH", err)
			}
			do(t, router.Reject(0))
			expectBytes(t, server, "anybody?")
			expectPassing(t, client, server)
		})
	}
}

// The router remembers what its rebooted host has forgotten, and what is dropped
// and delayed is so at the router's link.
func TestHostBehindRouterIsAHost(t *testing.T) {
	s := needSwitch(t)
	h := newRouted(t, s, 2)
	conn, _ := pair(t, nil, h)
	do(t, h.Drop(Both))
	_, err := io.WriteString(conn, "anybody?")
	do(t, err)
	expectSilence(t, conn)
	do(t, h.Impair(Both, Impairment{Delay: 10 * time.Millisecond, Rate: 20e6}))
	do(t, h.Reboot())
	if err := expectEnd(t, conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after the reboot: %v, want ECONNRESET", err)
	}
	c := play("echo", ":4222")
	c.Host = h
	start(t, c)
	begin := time.Now()
	conn = dial(t, netip.AddrPortFrom(h.Addr(), 4222).String())
	expectEcho(t, conn, "hello")
	if took := time.Since(begin); took < 40*time.Millisecond {
		t.Errorf("a dial and an echo took %v on a link with a round trip of 20 ms", took)
	}
	do(t, h.Impair(Both, Impairment{}))

	// It vanishes, and the router knows.
	do(t, h.Router().Reject(Both))
	h.Kill()
	expectSilence(t, conn)
	do(t, h.Close())
	do(t, h.Close())
	_, resetErr := h.Reset(nil)
	for _, err := range []error{
		h.Router().Evict(), h.Router().EvictIdle(time.Second), h.Router().Reject(Both),
		h.Impair(Both, Impairment{}), h.DropFlags(Both, FIN), resetErr,
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	newRouted(t, s, 2) // its number is free again
	if _, err := s.NewHostBehindRouter(2); err == nil {
		t.Error("host 2 was made twice")
	}
}

// A client behind a router is made beside a site, and sites make way for it.
func TestHostsBesideASite(t *testing.T) {
	site := needSite(t, PacketsDropped)
	startAt(t, site)
	broker, err := site.Host()
	do(t, err)
	client := newRouted(t, broker.Switch(), 3)
	do(t, client.Meet(broker))
	other := needSite(t, PacketsDropped)
	startAt(t, other)
	expectEcho(t, dial(t, other.Addr()), "hello")
	conn, err := listenAt(client, func() (net.Conn, error) { return net.DialTimeout("tcp4", site.Addr(), bound) })
	do(t, err)
	defer conn.Close()
	expectEcho(t, conn, "hello")
	do(t, client.Router().Evict())
	_, err = io.WriteString(conn, "anybody?")
	do(t, err)
	expectSilence(t, conn)
	expectEstablished(t, conn.(*net.TCPConn))
}
