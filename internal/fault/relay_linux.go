package fault

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	// vnetHeader is sizeof(struct virtio_net_hdr), which precedes each frame: in
	// it a checksum that is still to be made goes along.
	vnetHeader = 10
	// maxFrame bounds a frame with that header, in bytes.
	maxFrame = vnetHeader + 64<<10
	// relayBuffer is the size asked for of a packet socket's buffers, in bytes.
	relayBuffer = 8 << 20
	// relayBatch is how many frames are read before others are sent.
	relayBatch = 64
)

// relay delays what passes between a host and the switch. The host's port is
// taken out of the bridge and a pair of links put in its place; frames are
// carried from the one to the other by two threads, one for each direction:
//
//	host ══ p2-host   (relay)   p2-far ══ p2-near ── br0
//
// The filter takes p2-near for p2-host, since it goes by the prefix.
type relay struct {
	// Fixed after construction.
	ns   netns.NsHandle // borrowed from the Switch
	n    int
	fds  []int // owned: the packet sockets, and then the event that ends the ways
	ways [2]*way
	done sync.WaitGroup // the goroutines of ways
}

// way is one direction of a relay.
type way struct {
	from, to int // packet sockets
	stop     int // an event: readable when the way has to end
	impaired atomic.Pointer[Impairment]
}

// newRelay puts a relay between host n and the bridge of ns. At that moment a
// frame may pass twice.
func newRelay(ns netns.NsHandle, n int, impaired [2]Impairment) (*relay, error) {
	r := &relay{ns: ns, n: n}
	if err := r.open(); err != nil {
		return nil, errors.Join(err, r.remove())
	}
	host, far, stop := r.fds[0], r.fds[1], r.fds[2]
	r.ways = [2]*way{{from: far, to: host, stop: stop}, {from: host, to: far, stop: stop}}
	r.set(impaired)
	for _, w := range r.ways {
		// Owned by the relay; ends when it is closed, which waits for it.
		r.done.Go(w.run)
	}
	if err := r.swap(nearPort(n), hostPort(n)); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// open makes the pair of links, and the sockets.
func (r *relay) open() error {
	err := withNetlink(r.ns, func(nl *netlink.Handle) error {
		attrs := attributes(nearPort(r.n))
		attrs.GSOMaxSegs = 1 // single frames are delayed
		pair := netlink.NewVeth(attrs)
		pair.PeerName = farPort(r.n)
		if err := nl.LinkAdd(pair); err != nil {
			return fmt.Errorf("add virtual link %s: %w", nearPort(r.n), err)
		}
		for _, name := range []string{nearPort(r.n), farPort(r.n)} {
			link, err := nl.LinkByName(name)
			if err != nil {
				return fmt.Errorf("find link %s: %w", name, err)
			}
			_ = nl.LinkSetIP6AddrGenMode(link, addrGenOff)
			if err := nl.LinkSetUp(link); err != nil {
				return fmt.Errorf("link %s up: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := waitUp(r.ns, nearPort(r.n), r.ns, farPort(r.n)); err != nil {
		return err
	}
	for _, name := range []string{hostPort(r.n), farPort(r.n)} {
		fd, err := openPacket(r.ns, name)
		if err != nil {
			return fmt.Errorf("open packet socket on %s: %w", name, err)
		}
		r.fds = append(r.fds, fd)
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make event: %w", err)
	}
	r.fds = append(r.fds, event)
	return nil
}

// swap makes the link in a port of the bridge, and then the link out none.
func (r *relay) swap(in, out string) error {
	return withNetlink(r.ns, func(nl *netlink.Handle) error {
		bridge, err := nl.LinkByName(bridgeName)
		if err != nil {
			return fmt.Errorf("find bridge: %w", err)
		}
		plugged, err := nl.LinkByName(in)
		if err != nil {
			return fmt.Errorf("find link %s: %w", in, err)
		}
		pulled, err := nl.LinkByName(out)
		if err != nil {
			return fmt.Errorf("find link %s: %w", out, err)
		}
		if err := nl.LinkSetMaster(plugged, bridge); err != nil {
			return fmt.Errorf("link %s to bridge: %w", in, err)
		}
		if err := nl.LinkSetNoMaster(pulled); err != nil {
			return fmt.Errorf("link %s from bridge: %w", out, err)
		}
		return nil
	})
}

// set changes the delays for the frames that are still to come.
func (r *relay) set(impaired [2]Impairment) {
	for i, w := range r.ways {
		w.impaired.Store(&impaired[i])
	}
}

// close sends what the relay holds and takes it away.
func (r *relay) close() error {
	// Any number but 0 makes the event readable. The pair is still in the bridge,
	// so that what is held can pass.
	if _, err := unix.Write(r.fds[2], []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		return fmt.Errorf("stop relay: %w", err)
	}
	r.done.Wait()
	err := r.swap(hostPort(r.n), nearPort(r.n))
	return errors.Join(err, r.remove())
}

// remove closes the sockets and takes the pair of links away.
func (r *relay) remove() error {
	for _, fd := range r.fds {
		unix.Close(fd)
	}
	return deleteLink(r.ns, nearPort(r.n))
}

// run carries frames until it is told to stop; then it sends what is left.
func (w *way) run() {
	held := line{random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}
	polled := []unix.PollFd{{Fd: int32(w.from), Events: unix.POLLIN}, {Fd: int32(w.stop), Events: unix.POLLIN}}
	buf := make([]byte, maxFrame)
	for {
		var wait *unix.Timespec // for ever
		if at, ok := held.next(); ok {
			ts := unix.NsecToTimespec(max(0, int64(time.Until(at))))
			wait = &ts
		}
		_, err := unix.Ppoll(polled, wait, nil)
		if err != nil && err != unix.EINTR {
			return
		}
		if err == nil && polled[1].Revents != 0 {
			w.send(&held, time.Now().Add(2*MaxDelay))
			return
		}
		if !w.receive(&held, buf) {
			return
		}
		w.send(&held, time.Now())
	}
}

// receive takes the frames that have come, and reports whether more can come.
func (w *way) receive(held *line, buf []byte) bool {
	im := *w.impaired.Load()
	for range relayBatch {
		n, err := unix.Read(w.from, buf)
		switch {
		case err == unix.EAGAIN:
			return true
		case err == unix.EINTR:
		case err != nil:
			return false // the link is gone
		default:
			// What there is no room for is lost, as in any router.
			held.take(time.Now(), append([]byte(nil), buf[:n]...), im)
		}
	}
	return true
}

// send sends what is due by now. A frame that the next queue has no room for is
// lost, as on any link.
func (w *way) send(held *line, now time.Time) {
	for data := held.due(now); data != nil; data = held.due(now) {
		for _, err := unix.Write(w.to, data); err == unix.EINTR; {
			_, err = unix.Write(w.to, data)
		}
	}
}

// openPacket opens a packet socket for all that comes in by a link of ns. Reads
// do not wait, and bring a virtio_net_hdr and a frame, as writes expect.
func openPacket(ns netns.NsHandle, name string) (fd int, err error) {
	var index int
	err = withNetlink(ns, func(nl *netlink.Handle) error {
		link, err := nl.LinkByName(name)
		if err == nil {
			index = link.Attrs().Index
		}
		return err
	})
	if err != nil {
		return -1, err
	}
	err = within(ns, func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return -1, err
	}
	if err := preparePacket(fd, index); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// preparePacket sets the options of a packet socket and binds it.
func preparePacket(fd, link int) error {
	for _, option := range []int{unix.PACKET_VNET_HDR, unix.PACKET_IGNORE_OUTGOING} {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, option, 1); err != nil {
			return err
		}
	}
	for forced, limited := range map[int]int{unix.SO_RCVBUFFORCE: unix.SO_RCVBUF, unix.SO_SNDBUFFORCE: unix.SO_SNDBUF} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, forced, relayBuffer) == nil {
			continue
		}
		// In a user namespace the machine's limit holds.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, limited, relayBuffer); err != nil {
			return err
		}
	}
	all := uint16(unix.ETH_P_ALL)
	return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: link})
}
