package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vigil/heartbeat"
	"vigil/internal/fault"
)

// Cell is what one contender made of one fault at one broker in one activity,
// once: the object of the incident, in which the crash is the fault, and more.
type Cell struct {
	Result
	Activity Activity `json:"activity"`
	// Run counts repeats from 1.
	Run int `json:"run"`
	// Dead says whether it was right to give up the connection.
	Dead bool `json:"dead"`
	// FaultMS is how long the fault lasted: false alarms are over that time.
	FaultMS int64 `json:"fault_ms"`
	// CauseRight says whether the cause that it gave before the fault was over
	// fits what happened; nil if it gave none.
	CauseRight *bool `json:"cause_right"`
	// FalseAlarms counts the connections that it gave up and with which nothing
	// was wrong, and Closed those that the broker ended: a slow consumer's, say.
	FalseAlarms int `json:"false_alarms"`
	Closed      int `json:"closed"`
	// PausedMS is how long its process got no processor, in pieces that matter,
	// within the seconds before it noticed.
	PausedMS int64 `json:"paused_ms"`
	// DeafReportedMS is how long it says that it was deaf; nil if it says
	// nothing.
	DeafReportedMS *int64 `json:"deaf_reported_ms"`
	// Contradicted counts messages that came while it says that it was deaf;
	// nil if it says nothing.
	Contradicted *int `json:"contradicted"`
	// PublishedLost counts the messages that it took from its caller and that
	// nobody ever got; nil if it did not publish, or if nobody can say.
	PublishedLost *int `json:"published_lost"`
	// IdleBytesPerS is what its idle connection cost the network, with headers;
	// nil where it was not counted.
	IdleBytesPerS *float64 `json:"idle_bytes_per_s"`
	// Broken is the promise that Vigil's subscriber did not keep, "" if it kept
	// all or is not judged.
	Broken string `json:"broken"`

	pauses int // how many pieces PausedMS has
}

// protocol is all that is known of a contestant's trial.
type protocol struct {
	contender contender
	way       way
	activity  Activity
	// latest is when it notices by itself at the latest, computed, 0 for never,
	// if that is known.
	latest      time.Duration
	latestKnown bool

	events []event
	taken  []number
	began  time.Time // the fault struck
	ended  time.Time // it was undone
	end    time.Time // of the run: what comes later is not counted
}

// stall is the shortest time without a message that counts as deafness.
const stall = 500 * time.Millisecond

// windowSlack is how much earlier than its last heard byte a message may have
// been published that a contender did not get, on a machine that is busy with
// many trials.
const windowSlack = 300 * time.Millisecond

// judge adds up.
func (p protocol) judge() Cell {
	c := Cell{
		Result:   Result{Contender: p.contender.name, Fault: p.way.name, Mode: fault.PacketsDropped},
		Activity: p.activity, Dead: p.way.dead, FaultMS: p.ended.Sub(p.began).Milliseconds(),
	}
	p.addLosses(&c)
	p.addDeafness(&c)
	p.addMissed(&c)
	return c
}

// within returns the events of a kind before the end of the run.
func (p protocol) within(kind eventKind) []event {
	var all []event
	for _, e := range p.events {
		if e.Kind == kind && e.At <= p.end.UnixNano() {
			all = append(all, e)
		}
	}
	return all
}

// since returns the time from the fault in milliseconds.
func (p protocol) since(at int64) *int64 {
	return new(time.Duration(at - p.began.UnixNano()).Round(time.Millisecond).Milliseconds())
}

// addLosses adds what was noticed, rightly or not.
func (p protocol) addLosses(c *Cell) {
	began, ended := p.began.UnixNano(), p.ended.UnixNano()
	connected := p.within(eventConnected)
	var first *event
	for _, e := range p.within(eventLost) {
		switch {
		case (e.At < began || !p.way.dead) && !e.Own:
			c.Closed++
		case e.At < began || !p.way.dead:
			c.FalseAlarms++
		case first != nil && e.At > ended && slices.ContainsFunc(connected, func(k event) bool { return k.At > first.At && k.At < e.At }):
			c.FalseAlarms++
		}
		if first == nil && e.At >= began {
			first = &e
		}
	}
	if p.way.dead && (first == nil || first.At > ended && !first.Own) {
		switch {
		case !p.latestKnown:
			c.Computed = "unknown"
		case p.latest == 0:
			c.Computed = "never"
		default:
			c.ComputedMS, c.Computed = new(p.latest.Milliseconds()), p.latest.String()
		}
	}
	if first == nil {
		return
	}
	c.DetectedMS, c.Cause = p.since(first.At), first.Cause
	c.PausedMS, c.pauses = time.Duration(first.Paused).Milliseconds(), first.Pauses
	if first.Silence > 0 {
		c.SilenceMS = new((first.Silence + int64(time.Millisecond) - 1) / int64(time.Millisecond))
	}
	if p.way.dead && first.At <= ended && first.Cause != "" {
		c.CauseRight = new(slices.ContainsFunc(p.way.right, func(word string) bool { return strings.Contains(first.Cause, word) }))
	}
	for _, e := range connected {
		if e.At > first.At {
			c.ReconnectedMS = p.since(e.At)
			break
		}
	}
}

// addDeafness adds the longest time without a message, and when it ended.
func (p protocol) addDeafness(c *Cell) {
	received := p.within(eventReceived)
	if len(received) == 0 {
		return
	}
	if p.activity == IdleActivity { // nobody knows what it would have heard
		for _, e := range received {
			if e.At >= p.ended.UnixNano() {
				c.Resumed, c.ResumedMS = true, p.since(e.At)
				break
			}
		}
		return
	}
	began, end := p.began.UnixNano(), p.end.UnixNano()
	from, to := end, end
	c.Resumed = true
	for k, e := range received {
		next, last := end, k+1 == len(received)
		if !last {
			next = received[k+1].At
		}
		if next > began && next-e.At > to-from {
			from, to, c.Resumed = e.At, next, !last || next-e.At < int64(stall)
		}
	}
	if to-from < int64(stall) {
		c.DeafMS = new(int64(0))
		return
	}
	c.DeafMS = new(time.Duration(to - from).Round(time.Millisecond).Milliseconds())
	c.DeafFrom, c.DeafTo = time.Duration(from-began), time.Duration(to-began)
	if c.Resumed {
		c.ResumedMS = p.since(to)
	}
}

// addMissed adds what it missed, and compares that with what it says.
func (p protocol) addMissed(c *Cell) {
	got := make(map[int]int64) // when each number came
	for _, e := range p.events {
		if e.Kind == eventReceived {
			if _, twice := got[e.N]; !twice {
				got[e.N] = e.At
			}
		}
	}
	var windows []window
	for _, e := range p.within(eventDeaf) {
		windows = append(windows, window{time.Unix(0, e.From), time.Unix(0, e.To)})
	}
	uncovered, contradicted, started := 0, 0, false
	for _, t := range p.taken {
		at, came := got[t.n]
		started = started || came
		switch {
		case !started:
		case !came:
			c.Missed++
			if !covered(windows, t.at, windowSlack) {
				uncovered++
			}
		case covered(windows, time.Unix(0, at), -windowSlack) && covered(windows, time.Unix(0, at).Add(windowSlack), 0):
			contradicted++
		}
	}
	if len(windows) == 0 {
		return
	}
	c.Uncovered, c.Contradicted = &uncovered, &contradicted
	var all time.Duration
	for _, w := range windows {
		all += w.to.Sub(w.from)
	}
	c.DeafReportedMS = new(all.Round(time.Millisecond).Milliseconds())
}

// published is how many messages the contender's client took.
func (p protocol) published() int {
	n := 0
	for _, e := range p.events {
		if e.Kind == eventPublished {
			n = e.N
		}
	}
	return n
}

// busySlack is how late the lab may hear of what a contender knew, on a machine
// that is busy with many trials.
const busySlack = 1500 * time.Millisecond

// broken returns the promise of Vigil's subscriber that was not kept, "" if all
// were, or if the contender is another: it notices a fault within [Promise] of
// what it last heard, receives again, tells when it was deaf, and gives up no
// connection that works.
func (c Cell) broken() string {
	if c.Contender != "vigil" {
		return ""
	}
	w := wayNamed(c.Fault)
	switch {
	case c.Dead && c.DetectedMS == nil:
		return "did not notice"
	case c.Dead && c.SilenceMS != nil && *c.SilenceMS > (Promise+c.excuse()).Milliseconds():
		return fmt.Sprintf("noticed after %d ms of silence, later than the promised %v", *c.SilenceMS, Promise)
	case c.Dead && !w.lameDuck && c.unheard() > Promise+busySlack+c.excuse():
		return fmt.Sprintf("noticed %v after the fault and its last message", c.unheard())
	case c.FalseAlarms > 0 && !w.hard:
		return fmt.Sprintf("%d false alarms", c.FalseAlarms)
	case !c.Resumed:
		return "did not receive again"
	case c.Missed > 0 && c.Uncovered == nil:
		return fmt.Sprintf("missed %d messages and reported no deaf window", c.Missed)
	case c.Uncovered != nil && *c.Uncovered > 0 && c.Closed == 0: // what a broker held for a slow consumer is older
		return fmt.Sprintf("%d missed messages lie outside the deaf windows it reported", *c.Uncovered)
	case c.Contradicted != nil && *c.Contradicted > 0:
		return fmt.Sprintf("%d messages came while it says that it was deaf", *c.Contradicted)
	}
	return ""
}

// excuse is how much longer a verdict may take because the contender's process
// was not running: a detector that was itself late owes the peer a fresh round.
func (c Cell) excuse() time.Duration {
	beat := heartbeat.Default()
	return time.Duration(c.PausedMS)*time.Millisecond + time.Duration(c.pauses*beat.Probes)*beat.Interval
}

// unheard is how long the contender had received nothing when it noticed; what
// came behind the beginning of the fault counts.
func (c Cell) unheard() time.Duration {
	return time.Duration(*c.DetectedMS)*time.Millisecond - max(0, c.DeafFrom)
}
