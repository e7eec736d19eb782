package fault

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// cable joins a port of the switch to eth0 of a namespace. It is where packets
// are dropped, counted and impaired. Its owner serialises the calls.
type cable struct {
	// Fixed after construction.
	n  int
	sw *Switch

	ns       netns.NsHandle // borrowed: the namespace plugged in; closed if none is
	arrival  *filter        // of ns, for what is lost on the way to the host; nil until needed
	cut      Direction
	past     uint64 // packets counted by rules that are gone
	impaired [2]Impairment
	relay    *relay // nil unless a direction is delayed
}

// newCable makes a cable that is not plugged in.
func newCable(sw *Switch, n int) *cable { return &cable{n: n, sw: sw, ns: netns.None()} }

// plug makes the cable's two ends and their addresses; ns stays the caller's.
func (c *cable) plug(ns netns.NsHandle) error {
	c.ns = ns
	err := withNetlink(c.sw.ns, func(nl *netlink.Handle) error {
		return addPort(nl, hostPort(c.n), hostLink, c.n, ns)
	})
	if err != nil {
		return err
	}
	err = withNetlink(ns, func(nl *netlink.Handle) error {
		if err := loopbackUp(nl); err != nil {
			return err
		}
		if err := configure(nl, hostLink, hostAddr(c.n)); err != nil {
			return err
		}
		return neighbour(nl, hostLink, hostAddr(clientsHost), hostMAC(clientsHost))
	})
	if err != nil {
		return err
	}
	if err := waitUp(ns, hostLink, c.sw.ns, hostPort(c.n)); err != nil {
		return err
	}
	return neighbour(&netlink.Handle{}, clientLink, hostAddr(c.n), hostMAC(c.n))
}

// unplug takes the cable away at once, with its impairments, but not what is
// dropped at the port.
func (c *cable) unplug() error {
	if !c.ns.IsOpen() {
		return nil
	}
	err := c.impair(Both, Impairment{})
	c.ns, c.arrival = netns.None(), nil
	return errors.Join(err, deleteLink(c.sw.ns, hostPort(c.n)))
}

// drop drops what passes in direction dir, too.
func (c *cable) drop(dir Direction) error {
	cut := c.cut | dir&Both
	if cut == c.cut {
		return nil
	}
	var rules []*nftables.Rule
	for _, one := range cut.each() {
		rules = append(rules, c.rule("drop/all", one))
	}
	if err := c.replace("drop/all", rules...); err != nil {
		return err
	}
	c.cut = cut
	return nil
}

// dropFlags drops segments with one of the flags in direction dir, and no
// others than that any more.
func (c *cable) dropFlags(dir Direction, flags Flags) error {
	var rules []*nftables.Rule
	for _, one := range dir.each() {
		rules = append(rules, c.rule("drop/flags", one, tcpFlags(expr.CmpOpNeq, flags)...))
	}
	return c.replace("drop/flags", rules...)
}

// heal ends drop and dropFlags.
func (c *cable) heal() error {
	if err := c.replace("drop"); err != nil {
		return err
	}
	c.cut = 0
	return nil
}

// rule drops in the switch what passes in one direction under a condition.
func (c *cable) rule(tag string, one Direction, condition ...expr.Any) *nftables.Rule {
	return c.sw.filter.rule(c.tag(tag), dropped(), onPort(portPrefix(c.n), one), condition)
}

// replace replaces the rules at and under tag, and remembers their count.
func (c *cable) replace(tag string, rules ...*nftables.Rule) error {
	packets, err := c.sw.filter.replace(c.tag(tag), rules...)
	c.past += packets
	return err
}

// dropped returns how many packets drop, dropFlags and impair have dropped.
func (c *cable) dropped() (packets uint64, err error) {
	packets, err = c.sw.filter.count(portPrefix(c.n))
	if err == nil && c.arrival != nil {
		var lost uint64
		lost, err = c.arrival.count(lossTag)
		packets += lost
	}
	return c.past + packets, err
}

// tag is the tag of this port's rules of a kind.
func (c *cable) tag(kind string) string { return portPrefix(c.n) + "/" + kind }

// lossTag is the tag of the rules by which packets are lost.
const lossTag = "loss"

// impair makes im what is wrong with each direction in dir, and nothing else.
// After an error part of it may be so.
func (c *cable) impair(dir Direction, im Impairment) error {
	for _, one := range dir.each() {
		was := c.impaired[one.index()]
		c.impaired[one.index()] = im // after an error, too: what has begun can be ended
		if err := c.lose(one, was, im); err != nil {
			return unsupported("loss", err)
		}
		if err := c.cutSegments(one, was.single(), im.single()); err != nil {
			return fmt.Errorf("cut segments: %w", err)
		}
		if err := c.limit(one, was, im); err != nil {
			return unsupported("a rate", err)
		}
	}
	if err := c.delay(); err != nil {
		return unsupported("a delay", err)
	}
	return nil
}

// unsupported returns err, as an *UnsupportedError if it is that of a kernel
// without the part that is needed.
func unsupported(what string, err error) error {
	for _, missing := range []error{unix.ENOENT, unix.EOPNOTSUPP, unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT} {
		if errors.Is(err, missing) {
			return &UnsupportedError{what, err}
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// lose drops a share of the packets in one direction, and those that are too
// long, where they leave the cable: those from the host in the switch, those to
// it on their arrival.
func (c *cable) lose(one Direction, was, im Impairment) error {
	if im.Loss == was.Loss && im.MTU == was.MTU {
		return nil
	}
	lossy, tag, link := c.sw.filter, c.tag(lossTag), portPrefix(c.n)
	if one == ToHost {
		f, err := c.arrivals()
		if err != nil {
			return err
		}
		lossy, tag, link = f, lossTag, hostLink
	}
	var rules []*nftables.Rule
	entering := onPort(link, FromHost)
	if im.MTU > 0 {
		rules = append(rules, lossy.rule(tag, dropped(), entering, longerThan(im.MTU)))
	}
	if im.Loss > 0 {
		rules = append(rules, lossy.rule(tag, dropped(), entering, atRandom(im.Loss)))
	}
	packets, err := lossy.replace(tag, rules...)
	c.past += packets
	return err
}

// arrivals returns the filter of what arrives at the host, made when it is
// needed first.
func (c *cable) arrivals() (*filter, error) {
	if c.arrival == nil {
		f := newArrivalFilter(c.ns)
		if err := f.create(); err != nil {
			return nil, err
		}
		c.arrival = f
	}
	return c.arrival, nil
}

// cutSegments makes the end of the cable that sends in one direction cut large
// segments to the size of a frame, or leave them whole, which is many times
// faster.
func (c *cable) cutSegments(one Direction, was, cut bool) error {
	if cut == was {
		return nil
	}
	segments := wholeSegments
	if cut {
		segments = 1
	}
	ns, name := c.sender(one)
	return withNetlink(ns, func(nl *netlink.Handle) error {
		link, err := nl.LinkByName(name)
		if err != nil {
			return err
		}
		return nl.LinkSetGSOMaxSegs(link, segments)
	})
}

// wholeSegments is the kernel's default for how many frames' worth of data a
// segment may hold, GSO_MAX_SEGS.
const wholeSegments = 65535

// sender returns the end of the cable that sends in one direction.
func (c *cable) sender(one Direction) (ns netns.NsHandle, link string) {
	if one == FromHost {
		return c.ns, hostLink
	}
	return c.sw.ns, hostPort(c.n)
}

// limit puts a token bucket filter before one end of the cable: what goes to
// the host queues in the switch, and what comes from it in the host.
func (c *cable) limit(one Direction, was, im Impairment) error {
	if im.Rate == was.Rate && (im.Rate == 0 || im.queue() == was.queue()) {
		return nil
	}
	ns, name := c.sender(one)
	return withNetlink(ns, func(nl *netlink.Handle) error {
		link, err := nl.LinkByName(name)
		if err != nil {
			return err
		}
		bucket := tokenBucket(link.Attrs().Index, im)
		if im.Rate > 0 {
			return nl.QdiscReplace(bucket)
		}
		err = nl.QdiscDel(bucket)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) {
			return nil // there was none: Impair had failed
		}
		return err
	})
}

// tokenBucket describes the queue of a link: frames pass at Rate, apart from a
// burst that is as short as the kernel's timer allows.
func tokenBucket(link int, im Impairment) *netlink.Tbf {
	const (
		twoFrames     = 2 * 1514
		timerHertz    = 1000
		tokenBucketID = 1
	)
	rate := max(1, uint64(im.Rate)/8) // bytes per second
	burst := uint32(max(twoFrames, rate/timerHertz))
	return &netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{
			LinkIndex: link,
			Handle:    netlink.MakeHandle(tokenBucketID, 0),
			Parent:    netlink.HANDLE_ROOT,
		},
		Rate:   rate,
		Limit:  uint32(im.queue()),
		Buffer: netlink.Xmittime(rate, burst),
	}
}

// delay makes the relay what the impairments ask for: there, or not.
func (c *cable) delay() error {
	wanted := c.impaired[0].Delay > 0 || c.impaired[1].Delay > 0
	switch {
	case wanted && c.relay == nil:
		r, err := newRelay(c.sw.ns, c.n, c.impaired)
		c.relay = r
		return err
	case wanted:
		c.relay.set(c.impaired)
	case c.relay != nil:
		r := c.relay
		c.relay = nil
		return r.close()
	}
	return nil
}

// deleteLink deletes a link of ns if it exists.
func deleteLink(ns netns.NsHandle, name string) error {
	return withNetlink(ns, func(nl *netlink.Handle) error {
		link, err := nl.LinkByName(name)
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			return nil
		}
		if err != nil {
			return err
		}
		return nl.LinkDel(link)
	})
}
