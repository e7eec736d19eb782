package qos

import (
	"math/bits"
	"time"
)

// segment is one that is not acknowledged from the first on.
type segment struct {
	at    time.Duration // last transmitted; never if it was not yet
	state segmentState
}

type segmentState uint8

const (
	waiting segmentState = iota // for the window
	flying
	lost
	held // acknowledged, while an earlier one is not
)

func (g segment) sent() bool { return g.state != waiting }

// flow is one direction: its sender, and what its receiver has.
type flow struct {
	segments []segment // from the first unacknowledged one on
	first    int       // the number of segments[0]
	window   int       // segments that may be under way
	before   int       // the window before the timer expired; 0 if it did not since
	most     int       // segments that were under way at a time, since none was
	// recovering is set from the first loss that acknowledgements have shown
	// until mended, the first segment that was not sent then, is the first that
	// is missing. The window is then threshold.
	recovering        bool
	mended, threshold int
	timeout           time.Duration
	least             time.Duration // the timeout while all goes well
	timer             time.Duration
	tail              bool // the timer is that of the tail loss probe
	tailed            bool // which was sent, and nothing acknowledged since

	expected int    // by the receiver: the first segment that is missing
	beyond   uint64 // and which behind that one have arrived
}

func (f *flow) renew(timeout time.Duration) {
	*f = flow{segments: f.segments[:0], window: initialCwnd, timeout: timeout, least: timeout, timer: never}
}

// append has another segment to send.
func (f *flow) append() { f.segments = append(f.segments, segment{at: never}) }

// transmitted notes that segment i is under way.
func (f *flow) transmitted(now time.Duration, i int) {
	f.segments[i].at = now
	if f.segments[i].state != held {
		f.segments[i].state = flying
	}
}

// following returns the segment to transmit now, or -1: the first that is lost,
// and else the first that was never sent, if the window has room.
func (f *flow) following() int {
	flyingNow, fresh, again := 0, -1, -1
	for i, g := range f.segments {
		switch {
		case g.state == flying:
			flyingNow++
		case g.state == lost && again < 0:
			again = i
		case g.state == waiting && fresh < 0:
			fresh = i
		}
	}
	switch {
	case flyingNow >= f.window:
		return -1
	case again >= 0:
		return again
	default:
		return fresh
	}
}

// arm sets the timer behind a transmission or an acknowledgement: for a tail
// loss probe if several segments are under way, unless there was one or the
// timeout has struck, and else for the timeout.
func (f *flow) arm(now, trip time.Duration) {
	under := 0
	for _, g := range f.segments {
		if g.state == flying {
			under++
		}
	}
	f.most = max(f.most, under)
	deadline := max(now, f.segments[0].at+f.timeout)
	switch {
	case under > 1 && !f.tailed && f.before == 0:
		f.timer, f.tail = min(now+2*trip+tailPatience, deadline), true
	case f.timer == never:
		f.timer, f.tail = deadline, false
	}
}

// collapse is what a timeout does to the sender.
func (f *flow) collapse() {
	if f.before == 0 {
		f.before = f.window
	}
	f.window, f.recovering = 1, false
	f.timeout = min(2*f.timeout, 120*time.Second)
	for i := range f.segments {
		if f.segments[i].state == flying {
			f.segments[i].state = lost
		}
	}
}

// acknowledged takes in what p says of the flow.
func (f *flow) acknowledged(now time.Duration, p packet, trip time.Duration) {
	latest := time.Duration(-1) // transmission that is known to have arrived
	news := false
	for i := range f.segments {
		g := &f.segments[i]
		if g.state == waiting || !p.has(f.first+i) {
			continue
		}
		if g.state != held {
			g.state, news = held, true
			if !f.recovering && f.window < 2*f.most {
				f.window++
			}
		}
		latest = max(latest, g.at)
	}
	if !news {
		return
	}
	n := 0
	for n < len(f.segments) && f.segments[n].state == held {
		n++
	}
	f.segments = append(f.segments[:0], f.segments[n:]...)
	f.first += n
	if n > 0 {
		f.timeout, f.tailed = f.least, false
		if len(f.segments) == 0 {
			f.before, f.most = 0, 0
		}
	}
	f.recover(latest - trip/4)
	f.timer, f.tail = never, false
	if len(f.segments) > 0 {
		f.arm(now, trip)
	}
}

// recover takes for lost what is under way and was sent before (RACK), and
// until all that was under way then is acknowledged, lets out one segment for
// each acknowledgement (PRR). A segment that is lost again then has nothing
// behind it that would show it, and waits for the timer.
func (f *flow) recover(before time.Duration) {
	under, found := 0, false
	for i := range f.segments {
		g := &f.segments[i]
		if g.state == flying && g.at < before {
			g.state, found = lost, true
		} else if g.state == flying {
			under++
		}
	}
	switch {
	case f.recovering && f.first >= f.mended:
		f.recovering, f.window = false, f.threshold
	case found && !f.recovering && f.before == 0:
		f.recovering, f.mended = true, f.first+len(f.segments)
		f.threshold = max(f.window*7/10, 2)
	}
	if f.recovering {
		f.window = under + 1
	}
}

// arrived takes in a segment, and returns how many are now in order.
func (f *flow) arrived(p packet) (delivered int) {
	switch ahead := p.seq - f.expected; {
	case ahead < 0 || ahead > 64:
		return 0
	case ahead > 0:
		f.beyond |= 1 << (ahead - 1)
		return 0
	}
	delivered = 1 + bits.TrailingZeros64(^f.beyond)
	f.beyond >>= delivered - 1
	f.beyond >>= 1
	f.expected += delivered
	return delivered
}
