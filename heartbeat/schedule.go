package heartbeat

import (
	"math"
	"time"
)

// Schedule is the default Detector: probes on a fixed schedule since the last
// byte heard. It is a small value, one per connection, to be made with
// NewSchedule and not copied once in use. It is not safe for concurrent use.
type Schedule struct {
	// Fixed after construction: a Config, packed.
	idle, interval, burst time.Duration
	limit                 uint16 // Config.Probes

	// Set by Step, for good.
	dead bool

	// Moved by Heard.
	heard time.Time // the last byte heard, or the time it was made

	// Moved by Step, made anew by Heard.
	silence silence
}

// silence is what was done about the present silence. All spans count from
// Schedule.heard, which keeps the Schedule small: a time.Time is three words.
type silence struct {
	start       time.Duration // when the first probe of this round is due
	first, last time.Duration // when the first and last probe of this round were asked for
	late        time.Duration // largest lateness of a Step
	pauses      uint16        // rounds that were discarded because we ourselves had stopped; stays at its largest
	probes      uint16        // points of the schedule that this round has passed. Invariant: probes <= limit
	extra       uint16        // probes of this round besides the schedule. Invariant: probes + extra <= 2 × maxProbes
	hinted      bool          // probes go out before the schedule's first point; until the first, last is when they began to be due
	suspect     bool          // a Step found a probe overdue
}

// asked returns how many probes this round has asked for.
func (s *silence) asked() int { return int(s.probes) + int(s.extra) }

// NewSchedule returns a Schedule that takes now for the last time the peer was heard.
// The zero cfg means Default. As time.NewTicker it panics on arguments that
// make no sense, here a cfg which Validate refuses.
func NewSchedule(cfg Config, now time.Time) Schedule {
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	cfg = cfg.WithDefaults()
	return Schedule{
		idle: cfg.Idle, interval: cfg.Interval, burst: cfg.Burst, limit: uint16(cfg.Probes),
		heard: now, silence: silence{start: cfg.Idle},
	}
}

// config returns what the Schedule was made with.
func (d *Schedule) config() Config {
	return Config{Idle: d.idle, Interval: d.interval, Probes: int(d.limit), Burst: d.burst}
}

// Heard tells that something arrived from the peer at now, anything at all. It
// ends the present silence. A now that is not after the last byte heard proves
// nothing new and changes nothing, and neither does a byte after Dead.
func (d *Schedule) Heard(now time.Time) {
	if d.dead || !now.After(d.heard) {
		return
	}
	d.heard = now
	d.silence = silence{start: d.idle}
}

// Answered is Heard: the schedule is fixed and learns nothing.
func (d *Schedule) Answered(_, now time.Time) { d.Heard(now) }

// Hint makes a probe due at now, besides the schedule, and with it a Burst as
// long as that before a verdict. The verdict comes no sooner: what speaks against
// a peer speaks as often against the network, and that may mend. With a probe
// under way Hint changes nothing: that is what the Burst is for.
func (d *Schedule) Hint(now time.Time) {
	s := &d.silence
	if elapsed := now.Sub(d.heard); s.asked() == 0 && elapsed >= 0 && elapsed < s.start {
		s.hinted, s.last = true, elapsed
	}
}

// Resumed discards the probes of this silence and starts a fresh round at now,
// as a Step that came too late does.
func (d *Schedule) Resumed(now time.Time) {
	if elapsed := now.Sub(d.heard); !d.dead && elapsed >= 0 && elapsed <= horizon {
		d.silence.afresh(elapsed)
	}
}

// afresh starts a fresh round, since we ourselves had stopped.
func (s *silence) afresh(elapsed time.Duration) {
	if s.pauses < math.MaxUint16 {
		s.pauses++
	}
	s.start, s.probes, s.extra, s.hinted = elapsed, 0, 0, false
}

// Promise returns the Bound of the Config.
func (d *Schedule) Promise() Promise { return Promise{Bound: d.config().Bound()} }

// Step asks what to do at now: nothing, send a probe, or give the peer up. It
// is meant to be called at Next; earlier it returns None, and later than half
// an Interval it takes its own process for the one that stopped and starts a
// fresh round (see the package comment). After a Step that did not return Dead,
// Next lies after now. Dead is final: from then on Step returns nothing else.
func (d *Schedule) Step(now time.Time) Action {
	if d.dead {
		return Dead
	}
	elapsed := now.Sub(d.heard)
	if elapsed > horizon { // a clock that was not set, not a silence: begin again
		*d = NewSchedule(d.config(), now)
		return None
	}

	late := elapsed - d.due()
	s := &d.silence
	switch {
	case late > d.interval/2: // we ourselves had stopped: a fresh round
		// Whoever comes too late for a hint's probes does not bring the verdict
		// forward: those are before the round's start.
		s.afresh(max(elapsed, s.start))
	case s.asked() > 0 && elapsed-s.first >= overdue(d.interval):
		s.suspect = true
	}
	if late < 0 {
		return None
	}
	s.late = max(s.late, late)
	switch {
	case elapsed < d.point():
		s.extra++
	case s.probes == d.limit:
		d.dead = true
		return Dead
	default:
		s.probes++
	}
	if s.asked() == 1 {
		s.first = elapsed
	}
	s.last = elapsed
	return Probe
}

// Next returns when Step should be called at the latest. Heard moves it away, or
// nearer by no more than a Step may be late (but see [Config.Nearer]), so a timer
// set for an older Next leads to a Step in time. After Dead it stays at the time at
// which the verdict was due.
func (d *Schedule) Next() time.Time { return d.heard.Add(d.due()) }

// due returns Next as a span since the last byte heard: the next point of the
// schedule, or a probe of the burst before it.
func (d *Schedule) due() time.Duration {
	point := d.point()
	switch s := &d.silence; {
	case s.hinted && s.asked() == 0:
		return min(point, s.last)
	case d.burst > 0 && s.asked() > 0 && (s.probes > 0 || time.Duration(s.extra)*d.burst < time.Duration(d.limit)*d.interval):
		return min(point, s.last+d.burst)
	}
	return point
}

// point returns the next point of the schedule as a span since the last byte
// heard.
//
// One Step answers for at most one point: it is late by at most half an
// Interval, or else the schedule starts afresh, so the following point cannot
// have passed as well.
func (d *Schedule) point() time.Duration {
	return d.silence.start + time.Duration(d.silence.probes)*d.interval
}

// LastHeard returns when the last byte came, as Evidence does.
func (d *Schedule) LastHeard() time.Time { return d.heard }

// State returns what the last Step and Heard led to.
func (d *Schedule) State() State {
	switch {
	case d.dead:
		return StateDead
	case d.silence.suspect:
		return StateSuspect
	default:
		return StateAlive
	}
}

// Evidence returns what the present State rests on, with the silence measured
// up to now.
func (d *Schedule) Evidence(now time.Time) Evidence {
	s := &d.silence
	e := Evidence{
		LastHeard: d.heard,
		Silence:   max(0, now.Sub(d.heard)),
		Probes:    s.asked(),
		Pauses:    int(s.pauses),
		Late:      s.late,
	}
	if s.asked() > 0 {
		e.FirstProbe = d.heard.Add(s.first)
		e.LastProbe = d.heard.Add(s.last)
	}
	return e
}

// Evidence is what a verdict, or the absence of one, rests on.
type Evidence struct {
	LastHeard time.Time     // the last byte from the peer, or the time it was made
	Silence   time.Duration // since then, never negative

	// The unanswered probes of the present round, those that count for a
	// verdict. Probes of rounds discarded after a local pause do not.
	Probes                int
	FirstProbe, LastProbe time.Time // zero when Probes is

	// How far our own process was at fault.
	Pauses int           // local pauses that restarted the round since LastHeard
	Late   time.Duration // largest lateness of a Step since LastHeard
}
