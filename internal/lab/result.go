package lab

import (
	"time"

	"vigil/internal/fault"
)

// Result is what one contender made of one fault on one broker. Durations are
// in milliseconds in JSON; nil means "not within the run".
type Result struct {
	Broker    string     `json:"broker"`
	Fault     string     `json:"fault"`
	Mode      fault.Mode `json:"mode"`
	Contender string     `json:"contender"`

	// DetectedMS is from the crash to the moment the contender knew.
	DetectedMS *int64 `json:"detected_ms"`
	// Cause is what the contender gave as the reason, "" if it gave none.
	Cause string `json:"cause"`
	// ReconnectedMS is from the crash to the contender's first new connection
	// after the host was back.
	ReconnectedMS *int64 `json:"reconnected_ms"`
	// Resumed says whether it received from the new broker.
	Resumed bool `json:"resumed"`
	// ResumedMS is from the crash to the first message of the new broker.
	ResumedMS *int64 `json:"resumed_ms"`
	// Missed counts the messages that a broker took before the end of the run
	// and the contender, who had subscribed before, never saw.
	Missed int `json:"missed"`
	// DeafMS is from the last message before the crash to the first after it,
	// or to the end of the run.
	DeafMS *int64 `json:"deaf_ms"`
	// ComputedMS is when a contender that did not notice, or only because the
	// new host answered it, would have noticed a host that stays away, at the
	// latest, computed from its settings; nil for the others.
	ComputedMS *int64 `json:"computed_ms"`
	// Uncovered counts the missed messages that lie outside the deaf windows
	// the contender reported itself; nil if it reports none.
	Uncovered *int `json:"uncovered"`

	// SilenceMS is how long the contender had heard nothing when it knew, by
	// its own account, rounded up; nil if it gives none.
	SilenceMS *int64 `json:"silence_ms"`

	// DeafFrom and DeafTo are the ends of DeafMS since the crash; DeafTo is
	// meaningful when Resumed.
	DeafFrom, DeafTo time.Duration `json:"-"`
	// Computed says ComputedMS in words, with the range.
	Computed string `json:"-"`
}

// clockSlack is how much earlier than a contender's last heard byte a message
// may have been published that it did not get: the time that messages take
// through the feed, the broker and the sockets of a busy machine.
const clockSlack = 50 * time.Millisecond

// result adds up a record. end is when the run ended and taken what brokers had
// taken by then: what happens later, while stragglers catch up, is not counted.
func (r *record) result(taken []number, c contender, end time.Time) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	within := func(t time.Time) bool { return !t.IsZero() && !t.After(end) }
	since := func(t time.Time) *int64 {
		if !within(t) {
			return nil
		}
		return new(t.Sub(r.crashed).Round(time.Millisecond).Milliseconds())
	}
	res := Result{
		Contender:     c.name,
		DetectedMS:    since(r.lost),
		ReconnectedMS: since(r.connected),
		Resumed:       within(r.resumed),
		ResumedMS:     since(r.resumed),
		DeafFrom:      r.last.Sub(r.crashed),
	}
	to := r.resumed
	if !res.Resumed {
		to = end
	}
	res.DeafTo = to.Sub(r.crashed)
	res.DeafMS = new(to.Sub(r.last).Round(time.Millisecond).Milliseconds())
	answered := !r.loss.own && !r.returned.IsZero() && r.lost.After(r.returned)
	if !within(r.lost) || answered {
		res.ComputedMS = new(c.worst.Milliseconds())
		res.Computed = c.computed
	}
	if within(r.lost) {
		res.Cause = r.loss.cause
		if r.loss.silence > 0 {
			res.SilenceMS = new((r.loss.silence + time.Millisecond - 1).Milliseconds())
		}
	}
	r.addMissed(taken, &res)
	return res
}

// addMissed counts what a broker took and the contender did not get.
func (r *record) addMissed(taken []number, res *Result) {
	uncovered, started := 0, false
	for _, t := range taken {
		got := r.got[t.n]
		started = started || got
		if got || !started {
			continue
		}
		res.Missed++
		if !covered(r.windows, t.at, clockSlack) {
			uncovered++
		}
	}
	if len(r.windows) > 0 {
		res.Uncovered = &uncovered
	}
}

// covered reports whether a time lies in one of the windows, whose beginnings are
// earlier by slack.
func covered(windows []window, at time.Time, slack time.Duration) bool {
	for _, w := range windows {
		if at.After(w.from.Add(-slack)) && at.Before(w.to) {
			return true
		}
	}
	return false
}
