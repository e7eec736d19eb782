package heartbeat

import "time"

// pulse probes at a fixed rate, whatever is heard, trusts the peer until a
// limit, and keeps the evidence. It is what the detectors have in common that
// differ in how they find that limit.
type pulse struct {
	interval time.Duration // between two probes

	heard time.Time     // the last byte, or the time it was made
	limit time.Time     // the verdict is due
	grace time.Duration // from a probe to the verdict, had it been sent just in time

	due            time.Time // the next probe
	first, last    time.Time // unanswered probe of this round
	probes, pauses int
	late           time.Duration
	state          State
}

func newPulse(interval time.Duration, now time.Time) pulse {
	return pulse{interval: interval, heard: now, due: now.Add(interval)}
}

// hear takes in a byte, and reports whether it tells anything.
func (p *pulse) hear(now time.Time) bool {
	if p.state == StateDead || !now.After(p.heard) {
		return false
	}
	p.heard = now
	p.probes, p.pauses, p.late, p.state = 0, 0, 0, StateAlive
	if latest := now.Add(p.interval); p.due.After(latest) { // the time had run ahead
		p.due = latest
	}
	return true
}

// trust sets the limit, and the grace that leads to it from a probe.
func (p *pulse) trust(limit time.Time, grace time.Duration) {
	p.limit, p.grace = limit, grace
}

// tolerance is how late a Step may be before we doubt ourselves.
func (p *pulse) tolerance() time.Duration { return min(p.interval, p.grace) / 2 }

// doubt is when an answer is overdue.
func (p *pulse) doubt() time.Time { return p.limit.Add(-p.grace / 2) }

// Next returns when Step should be called at the latest.
func (p *pulse) Next() time.Time {
	next := p.limit
	if p.state == StateDead {
		return next
	}
	if p.due.Before(next) {
		next = p.due
	}
	if doubt := p.doubt(); p.state == StateAlive && doubt.Before(next) {
		next = doubt
	}
	return next
}

// afresh discards the unanswered probes, since we ourselves had stopped until
// now, and has one sent at once and waited for.
func (p *pulse) afresh(now time.Time) {
	p.pauses++
	p.probes, p.due = 0, now
	if limit := now.Add(p.grace); limit.After(p.limit) {
		p.limit = limit
	}
}

// step is Step, but for what the detector itself has to do about a pause of
// ours, of which it tells.
func (p *pulse) step(now time.Time) (action Action, paused bool) {
	if p.state == StateDead {
		return Dead, false
	}
	late := now.Sub(p.Next())
	if paused = late > p.tolerance(); paused {
		p.afresh(now)
	}
	p.late = max(p.late, late)
	if !now.Before(p.limit) {
		p.state = StateDead
		return Dead, paused
	}
	if !now.Before(p.doubt()) && p.probes > 0 {
		p.state = StateSuspect
	}
	if now.Before(p.due) {
		return None, paused
	}
	if p.due = p.due.Add(p.interval); !p.due.After(now) {
		p.due = now.Add(p.interval)
	}
	if p.probes == 0 {
		p.first = now
	}
	p.last = now
	p.probes++
	return Probe, paused
}

// Hint makes the next probe due at now, unless one is under way.
func (p *pulse) Hint(now time.Time) {
	if p.state != StateDead && p.probes == 0 && !now.Before(p.heard) && now.Before(p.due) {
		p.due = now
	}
}

// State returns what the last Step and Heard led to.
func (p *pulse) State() State { return p.state }

// Evidence returns what the present State rests on, with the silence measured
// up to now.
func (p *pulse) Evidence(now time.Time) Evidence {
	e := Evidence{LastHeard: p.heard, Silence: max(0, now.Sub(p.heard)), Probes: p.probes, Pauses: p.pauses, Late: p.late}
	if p.probes > 0 {
		e.FirstProbe, e.LastProbe = p.first, p.last
	}
	return e
}
