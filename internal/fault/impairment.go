package fault

import (
	"fmt"
	"time"
)

const (
	// MaxDelay is the longest Delay of an Impairment: it bounds what a delayed
	// link has to hold.
	MaxDelay = time.Minute
	// DefaultQueue is the Queue of an Impairment with a Rate and no Queue: the
	// half second of a link of 1 Mbit/s.
	DefaultQueue = 64 << 10
	// maxRate is the largest Rate, in bits per second: beyond it virtual links
	// are the bottleneck.
	maxRate = 100e9
	// minRate is the smallest: a frame takes 12 s.
	minRate = 1000
	// maxQueue bounds Queue, in bytes.
	maxQueue = 64 << 20
	// minMTU and maxMTU bound MTU, in bytes: every host passes packets as short
	// as that, and none is longer.
	minMTU = 68
	maxMTU = 65535
)

// Impairment says how one direction of a host's link misbehaves without being
// cut. The zero value is a perfect link.
type Impairment struct {
	// Loss is the share of frames dropped at random, each by itself: 0 loses
	// none, 1 all.
	Loss float64
	// MTU is the longest IP packet that passes, in bytes; what is longer is
	// dropped without a word to its sender, as on a path that hides its limit
	// from both ends: the black hole of RFC 2923, section 2.1. 0 is no limit,
	// otherwise it is 68 at least, as RFC 791 has it.
	MTU int
	// Rate is what passes at most, in bits per second of Ethernet frames; 0 is
	// no limit, otherwise it is 1,000 at least.
	Rate int64
	// Queue is how many bytes may wait for a link with a Rate; what comes on
	// top is dropped. 0 means DefaultQueue.
	Queue int
	// Delay is how long each frame is on its way, MaxDelay at most. A frame
	// takes about 0.1 ms longer, and milliseconds on a machine whose processors
	// are all busy.
	Delay time.Duration
	// Jitter spreads the delay evenly over Delay-Jitter to Delay+Jitter; it is
	// not larger than Delay. Where frames keep their order, the delay of each is
	// that of the slowest of those just before it, at least.
	Jitter time.Duration
	// Reorder lets a frame overtake another whose delay is longer; otherwise
	// frames arrive in the order in which they were sent.
	Reorder bool
}

// validate returns what is wrong with im, or nil.
func (im Impairment) validate() error {
	switch {
	case !(im.Loss >= 0 && im.Loss <= 1): // NaN, too
		return fmt.Errorf("loss %v is not within 0 to 1", im.Loss)
	case im.MTU != 0 && (im.MTU < minMTU || im.MTU > maxMTU):
		return fmt.Errorf("MTU %d is neither 0 nor within %d to %d bytes", im.MTU, minMTU, maxMTU)
	case im.Rate != 0 && (im.Rate < minRate || im.Rate > maxRate):
		return fmt.Errorf("rate %d is neither 0 nor within %d to %.0f bits per second", im.Rate, minRate, maxRate)
	case im.Queue < 0 || im.Queue > maxQueue:
		return fmt.Errorf("queue %d is not within 0 to %d bytes", im.Queue, maxQueue)
	case im.Delay < 0 || im.Delay > MaxDelay:
		return fmt.Errorf("delay %v is not within 0 to %v", im.Delay, MaxDelay)
	case im.Jitter < 0 || im.Jitter > im.Delay:
		return fmt.Errorf("jitter %v is not within 0 and the delay, %v", im.Jitter, im.Delay)
	}
	return nil
}

// queue is Queue with its default.
func (im Impairment) queue() int {
	if im.Queue == 0 {
		return DefaultQueue
	}
	return im.Queue
}

// single reports whether frames have to be single ones: what is lost or late is
// a frame, and not a segment of 64 KiB.
func (im Impairment) single() bool { return im.Loss > 0 || im.MTU > 0 || im.Delay > 0 }
