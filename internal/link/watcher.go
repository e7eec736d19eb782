package link

import (
	"fmt"
	"time"

	"vigil/heartbeat"
)

// watch is the watcher: it asks the heartbeat what to do and does it. All it
// needs is an atomic and a lock that is never held over I/O, so its verdict
// comes on time even while a write is blocked and publishers wait. It ends when
// the connection is given up.
func (c *conn) watch() {
	d := c.link.cfg.Heartbeat.Detector(c.lastHeard())
	timer := time.NewTimer(time.Until(d.Next()))
	defer timer.Stop()
	for {
		select {
		case <-c.gone:
			return
		case <-c.poke:
		case <-timer.C:
		}
		now := time.Now()
		before, silence := d.State(), d.Evidence(now)
		d.Heard(c.lastHeard())
		action := d.Step(now)
		if !c.note(d, now, action == heartbeat.Probe) {
			c.giveUp(&Loss{Cause: CauseProtocol, At: now,
				Err: fmt.Errorf("bytes come, and %d PINGs are unanswered", maxUnanswered)})
			return
		}
		if action == heartbeat.Dead {
			c.verdict(d.Evidence(now), now)
			return
		}
		if after := d.State(); after != before {
			c.tellState(after, silence, d.Evidence(now), now)
		}
		timer.Reset(time.Until(d.Next()))
	}
}

// note keeps what the heartbeat knows for Status and asks for the PINGs that
// are due: the heartbeat's, and one for messages that none stands behind yet.
// It reports whether the peer answers PINGs at all.
func (c *conn) note(d heartbeat.Detector, now time.Time, probe bool) bool {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != c {
		return true // given up already
	}
	l.last.Evidence = d.Evidence(now)
	unasked := c.ledger.unasked().Messages > 0 && len(c.ledger.waiting) == 0
	if probe || unasked {
		c.askPing()
	}
	switch {
	case d.State() == heartbeat.StateSuspect && l.state == StateConnected:
		l.setState(StateSuspect, now)
	case d.State() == heartbeat.StateAlive && l.state == StateSuspect:
		l.setState(StateConnected, now)
	}
	waiting := c.ledger.waiting
	return len(waiting) < maxUnanswered || now.Sub(waiting[0].sent) < unansweredFor
}

// tellState emits what changed between alive and suspect.
func (c *conn) tellState(s heartbeat.State, before, after heartbeat.Evidence, now time.Time) {
	e := Event{At: now, Server: c.server.String()}
	if s == heartbeat.StateSuspect {
		c.suspect.Store(true)
		if c.lastHeard().After(after.LastHeard) {
			token(c.poke) // it came too early to poke us
		}
		e.Kind, e.Evidence = EventSuspect, after
		e.Cause = classify(after, lookAtTCP(c.nc))
	} else {
		c.suspect.Store(false)
		e.Kind, e.Evidence = EventAlive, before
	}
	c.link.events.emit(e)
}

// verdict gives a dead connection up and says why.
func (c *conn) verdict(evidence heartbeat.Evidence, now time.Time) {
	tcp := lookAtTCP(c.nc)
	c.giveUp(&Loss{Cause: classify(evidence, tcp), At: now, Evidence: evidence, TCP: tcp})
}
