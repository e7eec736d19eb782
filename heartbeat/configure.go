package heartbeat

import (
	"math"
	"time"
)

// Tail says how late answers are: the probability that a probe has no answer d
// after it was sent, be it late or lost. It does not grow with d.
type Tail func(d time.Duration) float64

// Cantelli returns the Tail that is safe whatever the distribution of the round
// trip, of which the mean and the standard deviation are known, and the share of
// probes or answers that are lost, from 0 to 1. It is the one-sided inequality on
// which Chen, Toueg and Aguilera rest their configuration for an unknown
// distribution: P(D > E(D) + x) ≤ V(D) / (V(D) + x²).
func Cantelli(loss float64, mean, deviation time.Duration) Tail {
	return func(d time.Duration) float64 {
		x := (d - mean).Seconds()
		if x <= 0 {
			return 1
		}
		v := deviation.Seconds() * deviation.Seconds()
		return loss + (1-loss)*v/(v+x*x)
	}
}

// Bounds of what the configurator chooses from. T is the Bound, nine tenths of
// Within.
const (
	objectiveProbes = 64 // at most, without those of a burst
	// An Interval between datagrams is a 24th of T at least, or minSpan: half of
	// it is how late this process may be before it doubts itself.
	intervalsInBound = 24
	// A round of probes takes a quarter of T at least, so that a peer which
	// stands still for less than that is not given up.
	roundsInBound = 4
	// maxStretch is how much longer than asked an objective waits that cannot
	// be kept.
	maxStretch = 10
)

// Configure returns the cheapest Config that keeps the objective on a network
// with such a Tail, and what it promises. It is the configurator of Chen, Toueg
// and Aguilera (section 4 of the paper named in the package comment) for a
// detector that asks only when it hears nothing: where theirs sends a heartbeat
// each η and finds the largest η, this one finds the cheapest mix of Idle,
// Interval and Probes. A silence leads to a false alarm if none of its probes is
// answered before the verdict:
//
//	Datagrams:  P = Late(Interval) × Late(2 Interval) × … × Late(Probes × Interval)
//	streams:    P = Late(Probes × Interval)
//
// since the losses of datagrams are independent, and in a stream everything
// waits behind what was lost first. A silence begins each Idle, so the mean time
// between two false alarms is Idle / P, which is the Recurrence promised.
//
// If no Config keeps the objective, the Promise is Broken: it then has the
// shortest Bound with which the Recurrence is kept, up to ten times what was
// asked, and at that end the Recurrence that is left.
func (o Objective) Configure(tail Tail) (Config, Promise) {
	return o.WithDefaults().configure(tails{single: tail, silence: never})
}

// tails are what a Detector has measured.
type tails struct {
	single  Tail // of each probe: of datagrams its own answer, in a stream any byte
	silence Tail // of whole rounds, however many probes they had
}

func (o Objective) configure(t tails) (Config, Promise) {
	bound := o.Within / 10 * 9
	// To a tenth, if it takes longer than it should.
	for b := bound; b < maxStretch*bound; b += b / 10 {
		if c, ok := o.cheapest(b, t); ok {
			return c, o.promise(c, t)
		}
	}
	c := o.stretched(maxStretch * bound)
	return c, o.promise(c, t)
}

// promise is what c keeps.
func (o Objective) promise(c Config, t tails) Promise {
	p := Promise{Bound: c.Bound(), Recurrence: o.recurrence(c, t)}
	p.Broken = p.Bound > o.Within || p.Recurrence < o.Recurrence
	return p
}

// recurrence is the mean time between two false alarms with c.
func (o Objective) recurrence(c Config, t tails) time.Duration {
	round := time.Duration(c.Probes) * c.Interval
	alarm := t.single(round)
	if o.Datagrams {
		for j := 1; j < c.Probes; j++ {
			alarm *= t.single(time.Duration(j) * c.Interval)
		}
	}
	alarm = max(alarm, t.silence(round))
	r := float64(c.Idle) / alarm
	if !(r < float64(horizon)) {
		return horizon
	}
	return time.Duration(r)
}

// cheapest returns the Config that keeps the Recurrence with the given Bound and
// sends least, if there is one.
func (o Objective) cheapest(bound time.Duration, t tails) (best Config, ok bool) {
	if !o.Datagrams {
		return o.cheapestStream(bound, t)
	}
	least := math.Inf(1)
	for probes := 1; probes <= objectiveProbes; probes++ {
		shortest := max(o.shortest(), bound/roundsInBound/time.Duration(probes))
		for interval := shortest; interval <= o.Within/5; interval += max(interval/4, 1) {
			c := Config{Idle: bound - time.Duration(probes)*interval, Interval: interval, Probes: probes}
			if c.Idle < max(minSpan, bound/10, c.leastIdle()) {
				break
			}
			if o.recurrence(c, t) < o.Recurrence {
				continue
			}
			if cost := c.cost(t.single); cost < least {
				best, least, ok = c, cost, true
			}
		}
	}
	return best, ok
}

// shortest is the shortest Interval between datagrams.
func (o Objective) shortest() time.Duration { return max(minSpan, o.Within/10*9/intervalsInBound) }

// cost is how many probes c sends a second on an idle connection.
func (c Config) cost(tail Tail) float64 {
	probes := 1.0
	for j := 1; j < c.Probes; j++ {
		probes += tail(time.Duration(j) * c.Interval)
	}
	return probes / c.Idle.Seconds()
}

// cheapestStream is cheapest for a stream: the shortest round that does leaves
// the longest Idle. On a stream it does not matter how a round is divided, but
// for the burst.
func (o Objective) cheapestStream(bound time.Duration, t tails) (Config, bool) {
	shortest := max(3*minSpan, bound/roundsInBound)
	for round := shortest; round <= bound-max(minSpan, bound/10); round += max(round/16, 1) {
		c := streamConfig(bound-round, round/3)
		if c.Idle < c.leastIdle() {
			break
		}
		if o.recurrence(c, t) >= o.Recurrence {
			return c, true
		}
	}
	return Config{}, false
}

// streamConfig has three Intervals and the burst of Within.
func streamConfig(idle, interval time.Duration) Config {
	return Config{Idle: idle, Interval: interval, Probes: 3, Burst: burstOf(interval)}
}

// stretched is what is left when nothing keeps the objective.
func (o Objective) stretched(bound time.Duration) Config {
	if !o.Datagrams {
		c := streamConfig(bound/10, bound/10*3)
		if c.Idle < c.leastIdle() {
			c = streamConfig(bound/7, bound/7*2)
		}
		return c
	}
	round := bound - bound/10
	probes := min(objectiveProbes, round/minSpan)
	return Config{Idle: bound / 10, Interval: round / probes, Probes: int(probes)}
}
