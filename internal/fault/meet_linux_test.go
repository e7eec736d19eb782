package fault

import (
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Two hosts that met know each other's hardware address for good; one that was
// rebooted or closed does not.
func TestMeet(t *testing.T) {
	s := needSwitch(t)
	a, b := newHost(t, s, 2), newHost(t, s, 3)
	if knows(t, a, 3) || knows(t, b, 2) {
		t.Fatal("they know each other before they met")
	}
	do(t, a.Meet(b))
	if !knows(t, a, 3) || !knows(t, b, 2) {
		t.Error("they met and do not know each other")
	}
	do(t, a.Reboot())
	if knows(t, a, 3) {
		t.Error("a rebooted host remembers")
	}
	do(t, b.Close())
	if a.Meet(b) == nil {
		t.Error("a host met one that is gone")
	}
}

// knows reports whether a host has a permanent entry for host n.
func knows(t *testing.T, h *Host, n int) (known bool) {
	t.Helper()
	do(t, withNetlink(h.ns, func(nl *netlink.Handle) error {
		link, err := nl.LinkByName(hostLink)
		if err != nil {
			return err
		}
		list, err := nl.NeighList(link.Attrs().Index, unix.AF_INET)
		for _, e := range list {
			if e.IP.String() == hostAddr(n).String() && e.State&unix.NUD_PERMANENT != 0 {
				known = e.HardwareAddr.String() == hostMAC(n).String()
			}
		}
		return err
	}))
	return known
}
