package lesson

import (
	"errors"
	"fmt"
	"math"
	"time"

	"vigil/heartbeat"
)

// Errors on which callers branch, beside those of the network.
var (
	// ErrClosed: the other end closed the connection.
	ErrClosed = errors.New("lesson: closed by the peer")
	// ErrScale is wrapped by the error for a scale that makes no sense.
	ErrScale = errors.New("bad scale")
)

// DeadError says that the peer did not answer.
type DeadError struct {
	Evidence heartbeat.Evidence
}

// Error returns the lesson's words.
func (e *DeadError) Error() string { return "connection dead" }

// Timeout returns true.
func (e *DeadError) Timeout() bool { return true }

// maxScale bounds what times are multiplied with: a day for a second.
const maxScale = 86400

// CheckScale returns why times cannot be multiplied with scale, or nil.
func CheckScale(scale float64) error {
	if !(scale > 0 && scale <= maxScale) { // nor NaN
		return fmt.Errorf("lesson: %w: %v, want more than 0, up to %d, and spans that a heartbeat can keep", ErrScale, scale, maxScale)
	}
	if err := clientSchedule(scale).Validate(); err != nil {
		return fmt.Errorf("lesson: %w: %v: %w", ErrScale, scale, err)
	}
	return nil
}

// scaled returns d multiplied with scale, up to the longest Duration.
func scaled(d time.Duration, scale float64) time.Duration {
	x := float64(d) * scale
	if x >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(math.Round(x))
}

// clientSchedule is when a client asks: the lesson's 10 s and three times 3 s.
func clientSchedule(scale float64) heartbeat.Config {
	c := heartbeat.Lesson()
	c.Idle, c.Interval = scaled(c.Idle, scale), scaled(c.Interval, scale)
	return c
}

// serverSchedule is when a server asks: later, so that it need not ask a client
// that lives. See the package comment.
func serverSchedule(scale float64) heartbeat.Config {
	c := clientSchedule(scale)
	c.Idle *= 2
	return c
}

// maxOwed bounds the PONGs that wait until they are due.
const maxOwed = 64

// peer is what one end of a connection does. It knows no socket and no clock.
type peer struct {
	detector heartbeat.Schedule
	sleep    time.Duration // before a PING is answered
	owed     []time.Time   // when PONGs are due, in order
}

// deed is something to be done: to send a message, to say a line, or to end.
type deed struct {
	send Type
	say  string
	end  error
}

// saysAnswer is the line for a PONG.
const saysAnswer = "received heartbeat, make heartbeats to 0"

func newPeer(cfg heartbeat.Config, sleep time.Duration, now time.Time) *peer {
	return &peer{detector: heartbeat.NewSchedule(cfg, now), sleep: sleep}
}

// heard is told that bytes came, any bytes.
func (p *peer) heard(now time.Time) { p.detector.Heard(now) }

// took is told that a message came whole.
func (p *peer) took(t Type, now time.Time) []deed {
	switch {
	case t == Pong:
		return []deed{{say: saysAnswer}}
	case t != Ping:
		return []deed{{say: "process " + t.String()}}
	case p.sleep == 0:
		return []deed{{send: Pong, say: "received MSG_PING, send MSG_PONG"}}
	case len(p.owed) == maxOwed:
		return []deed{{say: fmt.Sprintf("MSG_PING not answered: %d wait already", maxOwed)}}
	}
	p.owed = append(p.owed, now.Add(p.sleep))
	return nil
}

// step is called at next, or at any time.
func (p *peer) step(now time.Time) (todo []deed) {
	for len(p.owed) > 0 && !now.Before(p.owed[0]) {
		p.owed = p.owed[1:]
		todo = append(todo, deed{send: Pong})
	}
	switch p.detector.Step(now) {
	case heartbeat.Probe:
		todo = append(todo, deed{send: Ping, say: fmt.Sprintf("sending heartbeat #%d", p.detector.Evidence(now).Probes)})
	case heartbeat.Dead:
		todo = append(todo, deed{say: "connection dead", end: &DeadError{p.detector.Evidence(now)}})
	}
	return todo
}

// next returns when step is to be called at the latest.
func (p *peer) next() time.Time {
	due := p.detector.Next()
	if len(p.owed) > 0 && p.owed[0].Before(due) {
		due = p.owed[0]
	}
	return due
}
