package fault

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netns"
)

// answerTimeout bounds the wait for a new host's first answer: it is one round
// trip on virtual links, and three SYNs at worst.
const answerTimeout = 5 * time.Second

// probePort is where a new host is asked for a refusal: nothing listens there.
const probePort = 9

// Host is the host of a broker, or of a client: a network namespace behind a port
// of the Switch. Its methods may be called concurrently.
type Host struct {
	// Fixed after construction.
	n      int
	sw     *Switch
	router *Router // owned; nil if there is none

	mu        sync.Mutex // serialises whole operations on this host, the longest wait being answerTimeout
	ns        netns.NsHandle
	cable     *cable
	processes []*Process
	closed    bool
}

// Addr returns the address at which the host is reached, which never changes.
func (h *Host) Addr() netip.Addr { return hostAddr(h.n) }

// Switch returns the switch into which the host is plugged, for more hosts beside
// it, such as those of clients. That of a Site closes, with all its hosts, when
// the last Site does.
func (h *Host) Switch() *Switch { return h.sw }

// Router returns the router before the host, or nil if there is none.
func (h *Host) Router() *Router { return h.router }

// Drop makes the switch drop all packets in direction dir, in addition to what
// it drops already. Links stay up, and connections notice nothing. When Drop
// returns no further packet passes the switch; what was on a delayed link
// already still arrives at the host.
func (h *Host) Drop(dir Direction) error {
	return h.do("drop packets", func() error { return h.cable.drop(dir) })
}

// DropFlags makes the switch drop the TCP segments in direction dir that have
// any of the flags, from when it returns: a process that dies with FIN dropped
// leaves its peers an open connection and a host that answers with RST; with
// FIN|RST it leaves them silence, and a host that is alive for all others. It
// replaces what an earlier call asked for; Heal ends it.
func (h *Host) DropFlags(dir Direction, flags Flags) error {
	return h.do("drop segments", func() error { return h.cable.dropFlags(dir, flags) })
}

// Heal ends Drop and DropFlags, in both directions. The impairments of the link
// stay.
func (h *Host) Heal() error {
	return h.do("heal", h.cable.heal)
}

// Impair makes im what is wrong with the host's link in each direction of dir,
// in place of what was, from when it returns: the zero Impairment ends it. An
// impairment is a property of the link: neither Heal nor Reboot ends it, and
// what passes on an impaired link is still cut by Drop.
//
// What comes to the host first meets the delay, then the rate, then the loss;
// what comes from it the rate, then the delay, then the loss. At the moment at
// which a delay begins or ends a frame may pass twice, out of order or not at
// all. After an error part of im may be in effect; a kernel that lacks what it
// takes makes it an *UnsupportedError.
func (h *Host) Impair(dir Direction, im Impairment) error {
	if err := im.validate(); err != nil {
		return fmt.Errorf("fault: impair link of %s: %w", h.Addr(), err)
	}
	return h.do("impair link", func() error { return h.cable.impair(dir, im) })
}

// do runs a change of the host under mu, and says what was to be done in its
// error.
func (h *Host) do(what string, change func() error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrClosed
	}
	if err := change(); err != nil {
		return fmt.Errorf("fault: %s of %s: %w", what, h.Addr(), err)
	}
	return nil
}

// Dropped returns how many packets to and from the host were dropped by Drop,
// DropFlags and a Loss since it was made. What a full queue had no room for is
// not among them. Segments that the kernel has not cut to frames count as one.
func (h *Host) Dropped() (packets uint64, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return h.cable.past, nil
	}
	packets, err = h.cable.dropped()
	if err != nil {
		return packets, fmt.Errorf("fault: count packets of %s: %w", h.Addr(), err)
	}
	return packets, nil
}

// Kill kills all processes started on the host and waits until they have been
// reaped. Unless packets from the host are dropped, their peers get a FIN or a
// RST.
func (h *Host) Kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kill()
}

// kill is Kill under mu.
func (h *Host) kill() {
	for _, p := range h.processes {
		p.Kill()
	}
	h.processes = nil
}

// Reboot is a power failure and a new start: packets are dropped, the processes
// killed and the namespace taken away with all connections; then the host is
// made again, with the same addresses, and packets pass. The old link is
// destroyed before the new one exists, so nothing of the old host (such as the
// FIN of a killed process) ever leaks; a packet of an old connection is
// answered with RST. The link is impaired as it was. When Reboot returns the new
// host has answered.
func (h *Host) Reboot() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrClosed
	}
	if err := h.cable.drop(Both); err != nil {
		return fmt.Errorf("fault: reboot %s: %w", h.Addr(), err)
	}
	h.kill()
	impaired := h.cable.impaired
	if err := h.cable.impair(Both, Impairment{}); err != nil {
		return fmt.Errorf("fault: reboot %s: %w", h.Addr(), err)
	}
	if err := h.unplug(); err != nil {
		return fmt.Errorf("fault: reboot %s: take away: %w", h.Addr(), err)
	}
	if err := h.plugIn(); err != nil {
		return fmt.Errorf("fault: reboot %s: make again: %w", h.Addr(), err)
	}
	for _, one := range Both.each() {
		if err := h.cable.impair(one, impaired[one.index()]); err != nil {
			return fmt.Errorf("fault: reboot %s: impair link: %w", h.Addr(), err)
		}
	}
	return nil
}

// Close kills the host's processes, without a word to their peers, and takes
// the host away. It may be called again.
func (h *Host) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	var errs []error
	errs = append(errs, h.cable.drop(Both))
	h.kill()
	errs = append(errs, h.unplug(), h.cable.unplug(), h.cable.heal())
	if h.router != nil {
		errs = append(errs, h.router.close())
	}
	h.closed = true
	h.sw.forget(h.n)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("fault: close host %s: %w", h.Addr(), err)
	}
	return nil
}

// start starts p in the host's namespace; called on a locked thread.
func (h *Host) start(p *Process) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || !h.ns.IsOpen() {
		return ErrClosed
	}
	leave, err := enter(h.ns)
	if err != nil {
		return err
	}
	err = p.cmd.Start()
	leave()
	if err != nil {
		return err
	}
	alive := h.processes[:0]
	for _, old := range h.processes {
		select {
		case <-old.done:
		default:
			alive = append(alive, old)
		}
	}
	h.processes = append(alive, p)
	return nil
}

// plugIn makes the namespace and its link, lets packets pass and waits for the
// first answer. Called under mu, or before the host is known to anybody.
func (h *Host) plugIn() error {
	ns, err := newNamespace()
	if err != nil {
		return err
	}
	h.ns = ns
	if h.router == nil {
		err = h.cable.plug(ns)
	} else {
		err = h.plugInBehindRouter()
	}
	if err != nil {
		return err
	}
	if err := h.cable.heal(); err != nil {
		return err
	}
	return answers(h.Addr())
}

// plugInBehindRouter links the host with its router, and the router with the
// switch if it is new.
func (h *Host) plugInBehindRouter() error {
	if !h.cable.ns.IsOpen() {
		if err := h.cable.plug(h.router.ns); err != nil {
			return err
		}
	}
	return h.router.plug(h.ns)
}

// unplug destroys the link and lets go of the namespace. The link goes at
// once; the namespace when the kernel has cleared up behind its last holder.
func (h *Host) unplug() error {
	if !h.ns.IsOpen() {
		return nil
	}
	var err error
	if h.router == nil {
		err = h.cable.unplug()
	} else {
		err = h.router.unplug()
	}
	// Without it the namespace goes too, when TCP has given up.
	_ = within(h.ns, destroyOrphans)
	h.ns.Close()
	return err
}

// answers returns nil once the host at addr has refused a connection, which
// proves the way there and back.
func answers(addr netip.Addr) error {
	target := netip.AddrPortFrom(addr, probePort).String()
	conn, err := net.DialTimeout("tcp4", target, answerTimeout)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("somebody listens on %s", target)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil
	default:
		return fmt.Errorf("no answer: %w", err)
	}
}
