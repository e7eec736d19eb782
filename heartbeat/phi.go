package heartbeat

import (
	"fmt"
	"math"
	"time"
)

// Phi is the phi accrual failure detector of Hayashibara, Défago, Yared and
// Katayama (SRDS 2004) with the parameters and defaults of Akka's. It learns how
// far apart answers come, takes that for normally distributed, and gives the
// peer up when a silence as long as the present one had a chance of 10^-Threshold.
// The zero Phi has Akka's defaults, and finds a dead peer after 4.5 s; fields
// may be left zero one by one.
//
// It differs from the paper in that it asks, while the paper's peer sends
// heartbeats unasked, and in that other bytes than answers end a silence
// without being learnt from; from Akka's in that the tail of the normal
// distribution is computed and not approximated by a logistic one. As in Akka's,
// MinDeviation and Pause make the promise of Threshold one of form: delays and
// losses have a much heavier tail than a normal one, and without the two even a
// high Threshold raises alarms.
//
// It differs from [Config] as [Chen] does: it probes at a fixed rate, whatever is
// heard, and asks no more often when in doubt.
//
// It takes its own process for the one that stopped when a Step is later than
// half of Interval, or of what a silence is granted beyond it if that is less,
// and learns nothing from the silence of a pause.
type Phi struct {
	// Threshold is φ: at 8 a silence had a chance of 10^-8. From 0.1 to 100; 0
	// is 8.
	Threshold float64

	// Interval is the time between two probes, at least 3 ms; 0 is 1 s.
	Interval time.Duration

	// MinDeviation is the least standard deviation that is believed, so that
	// answers which come like clockwork do not make the slightest lateness a
	// death: at least 1 ms; 0 is 100 ms.
	MinDeviation time.Duration

	// Pause is added to the mean: a silence to be accepted always. 0 is 3 s;
	// negative is none.
	Pause time.Duration

	// Window is how many silences are remembered, from 2 to 10,000; 0 is 1000.
	Window int
}

// WithDefaults returns p with its zero fields set.
func (p Phi) WithDefaults() Phi {
	if p.Threshold == 0 {
		p.Threshold = 8
	}
	if p.Interval == 0 {
		p.Interval = time.Second
	}
	if p.MinDeviation == 0 {
		p.MinDeviation = 100 * time.Millisecond
	}
	if p.Pause == 0 {
		p.Pause = 3 * time.Second
	}
	if p.Window == 0 {
		p.Window = 1000
	}
	return p
}

// Validate returns nil or a *ConfigError.
func (p Phi) Validate() error {
	p = p.WithDefaults()
	switch {
	case !(p.Threshold >= 0.1 && p.Threshold <= 100):
		return &ConfigError{"Threshold", fmt.Sprintf("is %v, possible are 0.1 to 100", p.Threshold)}
	case p.Interval < minSpan || p.Interval > maxSample:
		return &ConfigError{"Interval", fmt.Sprintf("is %v, possible are %v to %v", p.Interval, minSpan, maxSample)}
	case p.MinDeviation < time.Millisecond || p.MinDeviation > maxSample:
		return &ConfigError{"MinDeviation", fmt.Sprintf("is %v, possible are %v to %v", p.MinDeviation, time.Millisecond, maxSample)}
	case p.Pause > maxSample:
		return &ConfigError{"Pause", fmt.Sprintf("is %v, the largest possible is %v", p.Pause, maxSample)}
	case p.Window < 2 || p.Window > maxWindow:
		return &ConfigError{"Window", fmt.Sprintf("is %d, possible are 2 to %d", p.Window, maxWindow)}
	}
	return nil
}

// Bound returns the silence that is granted before anything was measured, when
// answers are taken to come each Interval with a deviation of a quarter of it.
func (p Phi) Bound() time.Duration {
	p = p.WithDefaults()
	return p.granted(p.Interval.Seconds(), p.Interval.Seconds()/4, p.quantile())
}

// quantile is how many deviations above the mean a normal value lies with a
// chance of 10^-Threshold.
func (p Phi) quantile() float64 {
	return math.Sqrt2 * math.Erfcinv(2*math.Pow(10, -p.Threshold))
}

// granted is the silence at which φ reaches the Threshold, with a mean and a
// deviation in seconds. It exceeds Interval by minSpan at least.
func (p Phi) granted(mean, deviation, quantile float64) time.Duration {
	deviation = max(deviation, p.MinDeviation.Seconds())
	d := time.Duration((mean+quantile*deviation)*float64(time.Second)) + max(0, p.Pause)
	return max(d, p.Interval+minSpan)
}

// Detector returns a new detector.
func (p Phi) Detector(now time.Time) Detector {
	if err := p.Validate(); err != nil {
		panic(err)
	}
	p = p.WithDefaults()
	d := &phi{cfg: p, quantile: p.quantile(), silences: newWindow(p.Window)}
	// As Akka: two samples that have Interval for mean, and a quarter of it for
	// deviation.
	d.silences.add(p.Interval.Seconds() * 3 / 4)
	d.silences.add(p.Interval.Seconds() * 5 / 4)
	return d.Successor(now)
}

// phi is Phi's Detector.
type phi struct {
	pulse
	cfg      Phi
	quantile float64
	silences window    // between two answers
	answered time.Time // the last answer; zero if the silence since is not to be learnt from
}

// Successor keeps the silences.
func (d *phi) Successor(now time.Time) Detector {
	d.pulse, d.answered = newPulse(d.cfg.Interval, now), time.Time{}
	d.grant()
	return d
}

// span is the silence that is granted at present.
func (d *phi) span() time.Duration {
	return d.cfg.granted(d.silences.mean(), d.silences.deviation(), d.quantile)
}

func (d *phi) grant() {
	span := d.span()
	d.trust(d.heard.Add(span), span-d.cfg.Interval)
}

// Heard ends the silence.
func (d *phi) Heard(now time.Time) {
	if d.hear(now) {
		d.grant()
	}
}

// Answered ends the silence and learns how long it is since the last answer.
func (d *phi) Answered(_, now time.Time) {
	if !d.hear(now) {
		return
	}
	if silence := now.Sub(d.answered); !d.answered.IsZero() && silence <= maxSample {
		d.silences.add(silence.Seconds())
	}
	d.answered = now
	d.grant()
}

// Resumed discards the unanswered probes and has one sent at once.
func (d *phi) Resumed(now time.Time) {
	if d.state != StateDead && !now.Before(d.heard) {
		d.afresh(now)
		d.answered = time.Time{}
	}
}

// Step asks what to do at now.
func (d *phi) Step(now time.Time) Action {
	if d.state != StateDead && now.Sub(d.heard) > horizon {
		d.Successor(now)
		return None
	}
	action, paused := d.step(now)
	if paused {
		d.answered = time.Time{}
	}
	return action
}

// Promise returns the silence that is granted at present.
func (d *phi) Promise() Promise { return Promise{Bound: d.span()} }
