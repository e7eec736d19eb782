package link

import (
	"fmt"
	"time"

	"vigil/heartbeat"
)

// watcher asks the heartbeat what to do about one connection and does it. All
// it needs are atomics and a lock that is never held over I/O, so its verdict
// comes on time even while a write is blocked and publishers wait.
type watcher struct {
	c        *conn
	detector heartbeat.Detector
	bound    time.Duration // of the heartbeat as configured

	slept  time.Duration // how long the machine had been suspended at the last round
	routed time.Time     // when the next message to ourselves is due, zero for never
	asked  TCPEvidence   // as of the first probe of this silence
	gap    gap           // what came and cannot be read
	due    time.Time     // when the next round is, zero before the first
	stood  time.Time     // when we ourselves, or our reader, were last seen standing still
	broken bool          // the last promise told
	eager  bool          // the heartbeat wants to be asked again when a byte came
}

// sleepSlack is how much longer the machine must have been suspended than at
// the last round for it to count: the clocks are not read at the same instant.
const sleepSlack = 100 * time.Millisecond

// watch runs the watcher. It ends when the connection is given up.
func (c *conn) watch() {
	w := watcher{c: c, detector: c.link.detector(c), bound: c.link.cfg.Heartbeat.Bound(), slept: c.link.cfg.slept()}
	if cfg, ok := c.link.cfg.Heartbeat.(heartbeat.Config); ok && cfg.Nearer() {
		w.eager = true
		c.suspect.Store(true)
	}
	if every := c.link.cfg.RoutedProbe; every > 0 {
		w.routed = c.confirmedAt.Add(every)
	}
	timer := time.NewTimer(time.Until(w.next(underWay{}, time.Now())))
	defer timer.Stop()
	for {
		select {
		case <-c.gone:
			return
		case <-c.poke:
		case <-timer.C:
		}
		next, loss := w.round(time.Now())
		if loss != nil {
			c.giveUp(loss)
			return
		}
		w.due = next
		timer.Reset(time.Until(next))
	}
}

// detector returns the detector for c. One that has measured the way to the same
// server before goes on with what it knows.
func (l *Link) detector(c *conn) heartbeat.Detector {
	l.mu.Lock()
	defer l.mu.Unlock()
	var d heartbeat.Detector
	if l.learner != nil && l.learnedOf == c.server.address {
		d = l.learner.Successor(c.lastHeard())
	} else {
		d = l.cfg.Heartbeat.Detector(c.lastHeard())
	}
	// Kept for after c's end; until then it is its watcher's.
	l.learner, _ = d.(heartbeat.Learner)
	l.learnedOf = c.server.address
	return d
}

// round tells the detector what happened, does what it asks for, and returns
// when the next round is due, or why the connection is given up.
func (w *watcher) round(now time.Time) (next time.Time, loss *Loss) {
	c, d := w.c, w.detector
	before, silence := d.State(), d.Evidence(now)
	state := c.takeAnswers()
	for _, a := range state.answers {
		d.Answered(a.sent, a.at)
	}
	d.Heard(c.lastHeard())
	slept, held := c.link.cfg.slept(), w.unread(now)
	if slept > w.slept+sleepSlack || held || !w.due.IsZero() && now.Sub(w.due) > heldSlack {
		w.stood = now
	}
	tcp := w.look(state, now)
	if slept > w.slept+sleepSlack || held {
		d.Resumed(now)
		w.slept = max(w.slept, slept)
	}
	if c.hinted.Swap(false) {
		d.Hint(now)
	}
	if !w.routed.IsZero() && !now.Before(w.routed) {
		w.routed = now.Add(c.link.cfg.RoutedProbe)
		c.askRouted()
	}
	action := d.Step(now)
	loss = c.note(d, now, action == heartbeat.Probe)
	if loss == nil {
		loss = w.unheard(state.oldest, now)
	}
	evidence := d.Evidence(now)
	if action == heartbeat.Probe && evidence.Probes == 1 {
		if w.asked = tcp; !tcp.Known { // not due before
			w.asked = lookAtTCP(c.nc)
		}
	}
	if action == heartbeat.Dead {
		loss = w.verdict(evidence, now)
	}
	if loss != nil {
		loss.At = now
		return time.Time{}, loss
	}
	if after := d.State(); after != before {
		w.tellState(after, silence, evidence, now)
	}
	w.tellPromise(d.Promise(), now)
	if held { // the broker shall hear us now and then; an answer would not be read
		return now.Add(w.bound / 6), nil
	}
	return w.next(state, now), nil
}

// unread reports whether the reader still acts on what was heard last: whoever
// has not read for a while has no evidence of silence, but a pause of its own.
func (w *watcher) unread(now time.Time) bool {
	return w.c.busy.Load() && now.Sub(w.c.lastHeard()) > heldSlack
}

// next returns when the next round is due: when the detector wants it; half way
// through a silence in which something is under way, for a look at TCP; for the
// next PING; or for the next message to ourselves.
func (w *watcher) next(s underWay, now time.Time) time.Time {
	due := w.detector.Next()
	if s.any && w.detector.State() == heartbeat.StateAlive {
		if half := w.halfWay(now); w.gap.looked.Before(half) {
			due = half
		}
	}
	if asked := s.pinged.Add(w.c.link.askAtLeast()); s.oldest.IsZero() && asked.After(now) && asked.Before(due) {
		due = asked
	}
	if !w.routed.IsZero() && w.routed.Before(due) {
		due = w.routed
	}
	return due
}

// worthALook reports whether TCP is to be looked at now: when the detector is
// about to do something, and before that half way through a silence in which
// something is under way.
func (w *watcher) worthALook(s underWay, now time.Time) bool {
	if !now.Before(w.detector.Next()) {
		return true
	}
	half := w.halfWay(now)
	return s.any && w.detector.State() == heartbeat.StateAlive && w.gap.looked.Before(half) && !now.Before(half)
}

// look looks at TCP if that is worth it now, and returns what it told. What comes in
// a gap is life, and what shall mend it is asked for at once: each segment that
// answers tells what is missing. What is sent again, and nobody acknowledges it, is a
// reason to ask at once, too.
func (w *watcher) look(s underWay, now time.Time) TCPEvidence {
	if !w.worthALook(s, now) {
		return TCPEvidence{}
	}
	tcp := lookAtTCP(w.c.nc)
	read, bound := w.c.lastHeard(), w.inForce()
	// A PONG that came while we stood still was read late, and sent in time.
	behind := s.oldest.After(w.stood) && read.Sub(s.oldest) >= bound
	came := w.gap.look(tcp, behind, now, read, maxGap*bound)
	w.detector.Heard(came)
	if !came.IsZero() || tcp.Unacked > 0 && tcp.Backoff > 0 {
		w.detector.Hint(now)
	}
	return tcp
}

// inForce is the bound that the heartbeat keeps at present.
func (w *watcher) inForce() time.Duration { return max(w.bound, w.detector.Promise().Bound) }

// verdict is the loss of a peer that the heartbeat has given up. What was life in a
// gap is none in hindsight: it has been silent since the last byte that was read.
func (w *watcher) verdict(evidence heartbeat.Evidence, now time.Time) *Loss {
	tcp := w.known()
	cause := classify(evidence, tcp)
	if read := w.c.lastHeard(); read.Before(evidence.LastHeard) {
		evidence.LastHeard, evidence.Silence = read, now.Sub(read)
	}
	return &Loss{Cause: cause, Evidence: evidence, TCP: tcp}
}

// known returns what TCP knows of the present silence.
func (w *watcher) known() TCPEvidence {
	return lookAtTCP(w.c.nc).since(w.asked)
}

// halfWay returns the middle between the last byte heard and what the detector
// does next.
func (w *watcher) halfWay(now time.Time) time.Time {
	heard := w.detector.Evidence(now).LastHeard
	return heard.Add(w.detector.Next().Sub(heard) / 2)
}

// unheard looks, when a PING is unanswered for longer than a silence may last,
// whether the peer that keeps sending acknowledges nothing: then the way to it
// is cut, and only that one. A PONG that waits behind other bytes is no reason:
// its PING was acknowledged.
func (w *watcher) unheard(oldest time.Time, now time.Time) *Loss {
	if oldest.IsZero() || now.Sub(oldest) < w.inForce() || w.detector.State() != heartbeat.StateAlive {
		return nil
	}
	tcp := lookAtTCP(w.c.nc)
	if tcp.Unacked == 0 || tcp.Backoff < unheardBackoff {
		return nil
	}
	return &Loss{Cause: CauseUnheard, Evidence: w.detector.Evidence(now), TCP: tcp}
}

// unheardBackoff is how often the retransmission timeout must have doubled for
// the way to the peer to count as cut. From 200 ms on, Linux's shortest, that is
// at least 1.4 s without a single acknowledgement of anything new.
const unheardBackoff = 3

// tellPromise emits that the heartbeat can no longer keep what was asked of it,
// or can again.
func (w *watcher) tellPromise(p heartbeat.Promise, now time.Time) {
	if p.Broken != w.broken {
		w.broken = p.Broken
		w.c.link.events.emit(Event{Kind: EventPromise, At: now, Server: w.c.server.String(), Promise: p})
	}
}

// underWay is what a round wants to know of the ledger.
type underWay struct {
	any     bool      // a message or a PING is unconfirmed
	pinged  time.Time // when the last PING was sent
	oldest  time.Time // when the oldest unanswered PING was sent, zero if none is
	answers []answer  // the PONGs since the last round
}

func (c *conn) takeAnswers() underWay {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	s := underWay{answers: c.ledger.takeAnswers(), pinged: c.ledger.pinged, oldest: c.ledger.oldest()}
	s.any = !s.oldest.IsZero() || c.ledger.unconfirmed().Messages > 0
	return s
}

// note keeps what the heartbeat knows for Status and asks for the PINGs that
// are due: the heartbeat's, one for messages that none stands behind yet, and
// one when none was sent for long, so that it is known how long a PONG takes and
// whether we are heard at all. It returns the loss of a peer that does not
// answer PINGs at all.
func (c *conn) note(d heartbeat.Detector, now time.Time, probe bool) *Loss {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != c {
		return nil // given up already
	}
	l.last.Evidence, l.last.Promise = d.Evidence(now), d.Promise()
	oldest := c.ledger.oldest()
	wanted := c.ledger.unasked().Messages > 0 || now.Sub(c.ledger.pinged) >= l.askAtLeast()
	if probe || wanted && oldest.IsZero() {
		c.askPing()
	}
	switch {
	case d.State() == heartbeat.StateSuspect && l.state == StateConnected:
		l.remember(c)
		l.setState(StateSuspect, now)
	case d.State() == heartbeat.StateAlive && l.state == StateSuspect:
		l.setState(StateConnected, now)
	}
	if len(c.ledger.waiting) >= maxUnanswered && now.Sub(oldest) >= unansweredFor {
		return &Loss{Cause: CauseProtocol, Err: fmt.Errorf("bytes come, and %d PINGs are unanswered", maxUnanswered)}
	}
	return nil
}

// tellState emits what changed between alive and suspect, and has the
// supervisor seek a second opinion, or no longer.
func (w *watcher) tellState(s heartbeat.State, before, after heartbeat.Evidence, now time.Time) {
	c := w.c
	e := Event{At: now, Server: c.server.String()}
	if s == heartbeat.StateSuspect {
		c.suspect.Store(true)
		if c.lastHeard().After(after.LastHeard) {
			token(c.poke) // it came too early to poke us
		}
		e.Kind, e.Evidence, e.TCP = EventSuspect, after, w.known()
		e.Cause = classify(after, e.TCP)
	} else {
		c.suspect.Store(w.eager)
		e.Kind, e.Evidence = EventAlive, before
	}
	c.link.events.emit(e)
	c.doubts(s == heartbeat.StateSuspect)
}

// askRouted makes the writer put a message to ourselves before the next chunk.
func (c *conn) askRouted() {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == c && !c.leaving {
		c.wantRouted = true
		l.wakeWriter()
	}
}

// doubts tells the supervisor whether the peer is suspected. The latest word
// counts.
func (c *conn) doubts(yes bool) {
	select {
	case <-c.doubt:
	default:
	}
	c.doubt <- yes // has room: nobody else sends
}
