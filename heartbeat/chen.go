package heartbeat

import (
	"fmt"
	"time"
)

// Chen is the detector of Chen, Toueg and Aguilera that estimates when the next
// answer should come (NFD-E, section 6.3 of the paper named in the package
// comment), and gives the peer up when it is Margin later than that. The zero
// Chen probes each 0.9 s with a Margin of 0.9 s; other fields may be left zero
// one by one.
//
// It differs from the paper in that it asks: the paper's peer sends heartbeats
// unasked. The time of sending is therefore known, no clocks need be compared,
// and the estimate is the mean round trip of the latest answers; the loss of a
// probe counts as the loss of its answer. Bytes that are no answers are life,
// too. An answer that is later than the mean counts from its arrival, so that a
// silence is always granted Interval and Margin.
//
// It differs from [Config] in that it probes at a fixed rate, whatever is
// heard, and once an answer is missing asks no more often: its verdict rests on
// few probes. It is here to compare with, and for those who want a steady load.
//
// It takes its own process for the one that stopped when a Step is later than
// half of Interval or of Margin, whichever is less.
type Chen struct {
	// Interval is the time between two probes, η in the paper: at least 3 ms,
	// 0 is 0.9 s.
	Interval time.Duration

	// Margin is how late an answer may be, α in the paper: at least 3 ms, 0 is
	// 0.9 s. Longer survives more delay, and each Interval in it one more loss.
	Margin time.Duration

	// Window is how many answers the mean is taken from, up to 10,000; 0 is 32.
	Window int
}

// maxWindow bounds the memory of a detector.
const maxWindow = 10_000

// WithDefaults returns c with its zero fields set.
func (c Chen) WithDefaults() Chen {
	if c.Interval == 0 {
		c.Interval = 900 * time.Millisecond
	}
	if c.Margin == 0 {
		c.Margin = 900 * time.Millisecond
	}
	if c.Window == 0 {
		c.Window = 32
	}
	return c
}

// Validate returns nil or a *ConfigError.
func (c Chen) Validate() error {
	c = c.WithDefaults()
	switch {
	case c.Interval < minSpan || c.Interval > horizon/4:
		return &ConfigError{"Interval", fmt.Sprintf("is %v, possible are %v to %v", c.Interval, minSpan, horizon/4)}
	case c.Margin < minSpan || c.Margin > horizon/4:
		return &ConfigError{"Margin", fmt.Sprintf("is %v, possible are %v to %v", c.Margin, minSpan, horizon/4)}
	case c.Window < 1 || c.Window > maxWindow:
		return &ConfigError{"Window", fmt.Sprintf("is %d, possible are 1 to %d", c.Window, maxWindow)}
	}
	return nil
}

// Bound returns Interval + Margin. The mean round trip comes on top, at most,
// once it is known: see [Detector.Promise].
func (c Chen) Bound() time.Duration {
	c = c.WithDefaults()
	return c.Interval + c.Margin
}

// Detector returns a new detector.
func (c Chen) Detector(now time.Time) Detector {
	if err := c.Validate(); err != nil {
		panic(err)
	}
	c = c.WithDefaults()
	return (&chen{cfg: c, trips: newWindow(c.Window)}).Successor(now)
}

// chen is Chen's Detector.
type chen struct {
	pulse
	cfg   Chen
	trips window // round trips
}

// Successor keeps the round trips.
func (d *chen) Successor(now time.Time) Detector {
	d.pulse = newPulse(d.cfg.Interval, now)
	d.trust(now.Add(d.cfg.Interval+d.cfg.Margin), d.cfg.Margin)
	return d
}

// mean is the mean round trip.
func (d *chen) mean() time.Duration { return time.Duration(d.trips.mean() * float64(time.Second)) }

// Heard ends the silence: the next answer should come within an Interval.
func (d *chen) Heard(now time.Time) { d.hearFrom(now, now) }

// Answered ends the silence and learns the round trip.
func (d *chen) Answered(sent, now time.Time) {
	if trip := now.Sub(sent); trip >= 0 && trip <= maxSample && d.state != StateDead {
		d.trips.add(trip.Seconds())
	}
	d.hearFrom(sent.Add(d.mean()), now)
}

// maxSample is the longest round trip that is believed.
const maxSample = time.Hour

// hearFrom takes in a byte that arrived at now and should have at expected.
func (d *chen) hearFrom(expected, now time.Time) {
	if !d.hear(now) {
		return
	}
	if expected.Before(now) {
		expected = now
	}
	if latest := now.Add(d.mean()); expected.After(latest) { // sent in the future
		expected = latest
	}
	d.trust(expected.Add(d.cfg.Interval+d.cfg.Margin), d.cfg.Margin)
}

// Resumed discards the unanswered probes and has one sent at once.
func (d *chen) Resumed(now time.Time) {
	if d.state != StateDead && !now.Before(d.heard) {
		d.afresh(now)
		d.await(now)
	}
}

// await grants the probe at now a mean round trip and Margin.
func (d *chen) await(now time.Time) {
	if limit := now.Add(d.mean() + d.cfg.Margin); limit.After(d.limit) {
		d.limit = limit
	}
}

// Step asks what to do at now.
func (d *chen) Step(now time.Time) Action {
	if d.state != StateDead && now.Sub(d.heard) > horizon {
		d.Successor(now)
		return None
	}
	action, paused := d.step(now)
	if paused {
		d.await(now)
	}
	return action
}

// Promise returns the Bound with the mean round trip.
func (d *chen) Promise() Promise { return Promise{Bound: d.cfg.Bound() + d.mean()} }
