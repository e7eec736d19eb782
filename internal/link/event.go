package link

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"vigil/heartbeat"
)

// EventKind says what happened.
type EventKind uint8

// The events. A connection's life is Connected, then Suspect and Alive any
// number of times, then Lost; after that Retrying until Resumed. Closed is
// always the last one.
const (
	// EventConnected: the first connection stands. Server.
	EventConnected EventKind = iota + 1
	// EventSuspect: a probe is overdue. Server, Evidence, TCP, Cause as it looks.
	EventSuspect
	// EventAlive: the suspected peer was heard again. Server, Evidence of the
	// silence that is over.
	EventAlive
	// EventLost: the connection was given up. Server, Loss, Unconfirmed, AtRisk.
	EventLost
	// EventRetrying: another attempt is planned. Server, Attempt, Next, and
	// Err of the attempt before it, nil for the first.
	EventRetrying
	// EventResumed: connected again and the subscriptions confirmed. Server,
	// DeafFrom, DeafTo, Unconfirmed, Loss, PeerHeard, Attempt, which is 0 when a connection was
	// at hand that had been opened on suspicion.
	EventResumed
	// EventLameDuck: the broker announced that it will stop. Server.
	EventLameDuck
	// EventSlowConsumer: a subscription's queue is full and messages are being
	// dropped. Subject, Err.
	EventSlowConsumer
	// EventServerError: the broker said -ERR. Server, Err.
	EventServerError
	// EventPromise: the network no longer lets the heartbeat keep what was
	// asked of it, or does so again. Server, Promise.
	EventPromise
	// EventDropped: messages that Publish took will not be sent, for Err:
	// ErrTooOld, or a *PayloadError or ErrNoHeaders when the broker takes less
	// than the one before. Server, Dropped, Err.
	EventDropped
	// EventClosed: the end. Unconfirmed counts what was not sent, or not
	// confirmed; Err is what ended it: nil for Close, a *GaveUpError, the cause of Config.Context,
	// or the error of a Connect that failed.
	EventClosed
)

var eventNames = [...]string{
	EventConnected: "connected", EventSuspect: "suspect", EventAlive: "alive",
	EventLost: "lost", EventRetrying: "retrying", EventResumed: "resumed",
	EventLameDuck: "lame duck", EventSlowConsumer: "slow consumer",
	EventServerError: "server error", EventPromise: "promise", EventDropped: "dropped", EventClosed: "closed",
}

// String returns the kind in lower case: "connected".
func (k EventKind) String() string {
	if int(k) < len(eventNames) && eventNames[k] != "" {
		return eventNames[k]
	}
	return "EventKind(" + strconv.Itoa(int(k)) + ")"
}

// Tally counts published messages.
type Tally struct {
	Messages int64
	Bytes    int64 // on the wire, control lines included
}

// String returns "3 messages (180 bytes)".
func (t Tally) String() string {
	return count(t.Messages, "message") + " (" + count(t.Bytes, "byte") + ")"
}

func (t Tally) plus(o Tally) Tally  { return Tally{t.Messages + o.Messages, t.Bytes + o.Bytes} }
func (t Tally) minus(o Tally) Tally { return Tally{t.Messages - o.Messages, t.Bytes - o.Bytes} }

// Event is something that happened to the connection. Which fields are set is
// said beside each kind; Kind, At and Missed always are. It is read-only.
type Event struct {
	Kind   EventKind
	At     time.Time // when it happened, which may be before it is delivered
	Server string    // URL without credentials

	Loss     *Loss              // why the connection was given up
	Cause    Cause              // what a suspicion looks like so far
	Evidence heartbeat.Evidence // what a suspicion rests on
	TCP      TCPEvidence        // what the kernel knew at a suspicion
	Promise  heartbeat.Promise  // what the heartbeat keeps

	Attempt int       // attempts since the loss, counted from 1
	Next    time.Time // when the attempt will be made
	Err     error     // what the last attempt, or the broker, said

	// DeafFrom is when the last byte was heard on the connection lost, or, if it
	// was read only after a consumer had held the connection, the earliest time at
	// which it may have come; DeafTo is when the PONG came that confirms the subscriptions on the new one: what
	// was published between the two may have been missed.
	DeafFrom, DeafTo time.Time

	// PeerHeard is when the broker last heard the connection lost, by our clock;
	// zero if it does not say. Vigil's own broker does while it knows the
	// connection. If it heard the probes that nobody answered, only the way
	// from the broker was cut.
	PeerHeard time.Time

	// Unconfirmed counts the messages that were handed to the connection lost
	// without a later PONG: whether the broker got them is unknown. With
	// Config.Resend they are sent again.
	Unconfirmed Tally
	// AtRisk holds these messages, in order, as far as Config.KeepUnconfirmed
	// had room for them: the newest. An event that is still waiting to be taken
	// gives them up when another one has some.
	AtRisk []Message
	// Dropped counts messages that will not be sent.
	Dropped Tally

	Subject string // of the subscription concerned
	Missed  int    // events dropped just before this one, since nobody took them
}

// Deaf returns how long the deaf window of a Resumed event is.
func (e Event) Deaf() time.Duration { return e.DeafTo.Sub(e.DeafFrom) }

// CutFromBroker reports whether a Resumed event shows that only the way from the
// broker to us had been cut: the broker heard probes that nobody answered.
func (e Event) CutFromBroker() bool {
	return e.Loss != nil && e.Loss.Cause.Stale() && !e.PeerHeard.IsZero() &&
		e.Loss.Evidence.Probes > 0 && e.PeerHeard.After(e.Loss.Evidence.FirstProbe)
}

// clock is how String shows a time of day.
const clock = "15:04:05.000"

// String returns the event as one readable line, without its time.
func (e Event) String() string {
	var b strings.Builder
	b.WriteString(e.Kind.String())
	switch e.Kind {
	case EventConnected, EventLameDuck:
		fmt.Fprintf(&b, ": %s", e.Server)
	case EventSuspect:
		fmt.Fprintf(&b, ": %s: silent for %s, %s unanswered", e.Server, seconds(e.Evidence.Silence), count(int64(e.Evidence.Probes), "probe"))
		if e.Cause != CauseUnknown {
			fmt.Fprintf(&b, ": looks like: %v", e.Cause)
		}
	case EventAlive:
		fmt.Fprintf(&b, ": %s: heard again after %s", e.Server, seconds(e.Evidence.Silence))
	case EventLost:
		fmt.Fprintf(&b, ": %s: %v", e.Server, e.Loss)
		e.writeUnconfirmed(&b)
	case EventRetrying:
		fmt.Fprintf(&b, ": %s: attempt %d in %s", e.Server, e.Attempt, seconds(e.Next.Sub(e.At)))
		if e.Err != nil {
			fmt.Fprintf(&b, " (%v)", e.Err)
		}
	case EventResumed:
		if e.Deaf() == 0 {
			fmt.Fprintf(&b, ": %s: never deaf", e.Server)
		} else {
			fmt.Fprintf(&b, ": %s: deaf for %s, from %s to %s", e.Server, seconds(e.Deaf()),
				e.DeafFrom.Format(clock), e.DeafTo.Format(clock))
		}
		if e.CutFromBroker() {
			b.WriteString("; the broker heard us meanwhile: only the way from it was cut")
		}
		e.writeUnconfirmed(&b)
	case EventSlowConsumer:
		fmt.Fprintf(&b, ": %s: %v", e.Subject, e.Err)
	case EventServerError:
		fmt.Fprintf(&b, ": %s: %v", e.Server, e.Err)
	case EventDropped:
		fmt.Fprintf(&b, ": %v: %v", e.Dropped, e.Err)
	case EventPromise:
		if e.Promise.Broken {
			fmt.Fprintf(&b, ": %s: broken: on this network a dead peer is found within %s, not sooner", e.Server, seconds(e.Promise.Bound))
		} else {
			fmt.Fprintf(&b, ": %s: kept again: a dead peer is found within %s", e.Server, seconds(e.Promise.Bound))
		}
	case EventClosed:
		if e.Err != nil {
			fmt.Fprintf(&b, ": %v", e.Err)
		}
		e.writeUnconfirmed(&b)
	}
	if e.Missed > 0 {
		fmt.Fprintf(&b, " (%s before this dropped)", count(int64(e.Missed), "event"))
	}
	return b.String()
}

func (e Event) writeUnconfirmed(b *strings.Builder) {
	if e.Unconfirmed.Messages > 0 {
		fmt.Fprintf(b, "; %v unconfirmed", e.Unconfirmed)
	}
}
