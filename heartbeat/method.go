package heartbeat

import "time"

// Method is a way to tell a dead peer from a slow one, and makes one Detector
// per connection: [Config] is the default one, [Objective] chooses its own
// times from what it measures. A Method is read-only after use and may be used
// concurrently.
type Method interface {
	// Validate returns nil if the Method makes sense, and else a *ConfigError
	// that says which field is wrong and what is possible.
	Validate() error

	// Detector returns a Detector that takes now for the last time the peer
	// was heard. It panics if Validate returns an error.
	Detector(now time.Time) Detector

	// Bound is the worst case from the last byte heard to Dead, before
	// anything was measured.
	Bound() time.Duration
}

// Detector watches the silence of one peer. It is told things and asked things
// and never acts; see the package comment for its caller's duties. It is not
// safe for concurrent use.
type Detector interface {
	// Heard tells that something arrived from the peer at now, anything at
	// all. It ends the present silence.
	Heard(now time.Time)

	// Answered tells that the peer answered at now a probe that was sent at
	// sent. It does what Heard does; a Detector that adapts also learns from
	// it. An answer that waited behind other bytes of the peer counts with
	// that wait.
	Answered(sent, now time.Time)

	// Hint tells that something speaks against the peer: the network reported
	// it unreachable, or the kernel sends again what nobody acknowledges. It
	// is no verdict, and hastens none: a probe is due at once, unless one is
	// under way.
	Hint(now time.Time)

	// Resumed tells that this process, or its machine, has stood still until
	// now in a way that the times passed to Step do not show, as during a
	// suspend, which Go's monotonic clock leaves out. Unanswered probes are
	// discarded, and one is due at once.
	Resumed(now time.Time)

	// Step asks what to do at now. It is to be called at Next, and no later
	// than half a probing interval after it; earlier is harmless.
	Step(now time.Time) Action

	// Next returns when Step should be called at the latest.
	Next() time.Time

	// State returns what the last Step and Heard led to.
	State() State

	// Evidence returns what the present State rests on.
	Evidence(now time.Time) Evidence

	// Promise returns what the Detector keeps at present.
	Promise() Promise
}

// Learner is a Detector that measures its network and can pass on what it knows.
// A false alarm would otherwise cost the knowledge that could prevent the next.
type Learner interface {
	Detector

	// Successor returns a Detector for another connection to the same peer,
	// which takes now for the last time it was heard. The Learner may have
	// returned Dead, and must not be used any more.
	Successor(now time.Time) Detector
}

// Promise is what a Detector keeps on the network as it is.
type Promise struct {
	// Bound is the worst case from the last byte heard to Dead.
	Bound time.Duration

	// Recurrence is the mean time between two false alarms to be expected,
	// computed from what was measured; 0 when the Detector does not know.
	Recurrence time.Duration

	// Broken is set when the network cannot keep what was asked of the
	// Detector. Bound and Recurrence then say what it can.
	Broken bool
}
