package heartbeat

import "strconv"

// Action is what Step asks of its caller.
type Action uint8

const (
	None  Action = iota // nothing to do before Next
	Probe               // send something the peer must answer
	Dead                // the peer is gone: give the connection up
)

// String returns "none", "probe" or "dead".
func (a Action) String() string {
	switch a {
	case None:
		return "none"
	case Probe:
		return "probe"
	case Dead:
		return "dead"
	}
	return "Action(" + strconv.Itoa(int(a)) + ")"
}

// State is what a Detector thinks of its peer.
type State uint8

const (
	// StateAlive: heard of lately, or not yet overdue with an answer.
	StateAlive State = iota

	// StateSuspect: a Step found a probe unanswered for one Interval, or an
	// eighth less, since timers are late. Only a byte from the peer ends
	// suspicion. A local pause does not begin it, and does not end it either,
	// for that would look like a recovery.
	StateSuspect

	// StateDead: Step returned Dead. Final.
	StateDead
)

// String returns "alive", "suspect" or "dead".
func (s State) String() string {
	switch s {
	case StateAlive:
		return "alive"
	case StateSuspect:
		return "suspect"
	case StateDead:
		return "dead"
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}
