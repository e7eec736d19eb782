package qos

import (
	"math"
	"time"
)

// All times here are virtual: spans since the world began.

// never is later than any world lasts.
const never time.Duration = math.MaxInt64

// network carries probes to a peer and what it says back.
type network interface {
	// send puts a probe on its way.
	send(now time.Duration)

	// next returns when advance is to be called, never if nothing is under way.
	next() time.Duration

	// advance does what is due at next. It reports whether a byte of the peer
	// has arrived, and which.
	advance() (arrival, bool)

	// die is the peer's end. What it has sent still arrives.
	die(now time.Duration)

	// renew replaces the connection: what was under way on the old one is lost.
	renew(now time.Duration)
}

// arrival is a byte of the peer.
type arrival struct {
	answer bool          // to a probe, and not something else
	sent   time.Duration // when that probe was
}

// flight is an answer under way.
type flight struct {
	at   time.Duration // when it arrives
	said time.Duration // when the peer says it
	sent time.Duration // when the probe was sent
}

// flights are answers under way, the next to arrive first.
type flights []flight

// add keeps the order of arrival. There are few, and most come last.
func (f *flights) add(x flight) {
	s := append(*f, x)
	for i := len(s) - 1; i > 0 && s[i].at < s[i-1].at; i-- {
		s[i], s[i-1] = s[i-1], s[i]
	}
	*f = s
}

func (f flights) next() time.Duration {
	if len(f) == 0 {
		return never
	}
	return f[0].at
}

// take removes the next.
func (f *flights) take() (arrival, bool) {
	x := (*f)[0]
	*f = append((*f)[:0], (*f)[1:]...)
	return arrival{answer: true, sent: x.sent}, true
}

// die removes what a peer that ended at now has not said.
func (f *flights) die(now time.Duration) {
	kept := (*f)[:0]
	for _, x := range *f {
		if x.said <= now {
			kept = append(kept, x)
		}
	}
	*f = kept
}
