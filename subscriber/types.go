package subscriber

import (
	"vigil/heartbeat"
	"vigil/internal/link"
	"vigil/internal/wire"
)

// Event is something that happened to the connection or a subscription. Its
// String method gives one readable line. Fields: Kind, At, Server, Loss, Cause,
// Evidence, TCP, Promise, Attempt, Next, Err, DeafFrom, DeafTo, PeerHeard,
// Unconfirmed, AtRisk, Dropped, Subject, Missed; which are set is said beside each kind. Package publisher has the same type.
type Event = link.Event

// EventKind says what happened. It is the type of Event.Kind.
type EventKind = link.EventKind

// The kinds of events. A connection's life is Connected, then Suspect and Alive
// any number of times, then Lost; after that Retrying until Resumed. Closed is
// always the last event.
const (
	// EventConnected: the first connection stands. Server.
	EventConnected = link.EventConnected
	// EventSuspect: a probe is overdue. Server, Evidence, TCP, Cause as it looks.
	EventSuspect = link.EventSuspect
	// EventAlive: the suspected broker was heard again. Server, Evidence.
	EventAlive = link.EventAlive
	// EventLost: the connection was given up. Server, Loss, Unconfirmed.
	EventLost = link.EventLost
	// EventRetrying: another attempt is planned. Server, Attempt, Next, Err.
	EventRetrying = link.EventRetrying
	// EventResumed: connected again and the subscriptions confirmed. Server,
	// DeafFrom, DeafTo, Loss, PeerHeard, Unconfirmed, Attempt.
	EventResumed = link.EventResumed
	// EventLameDuck: the broker announced that it will stop. Server.
	EventLameDuck = link.EventLameDuck
	// EventSlowConsumer: a subscription's queue was full and messages were
	// dropped. Subject, Err, a *SlowConsumerError.
	EventSlowConsumer = link.EventSlowConsumer
	// EventServerError: the broker said -ERR. Server, Err.
	EventServerError = link.EventServerError
	// EventPromise: the network no longer lets the heartbeat keep what was
	// asked of it, or does so again. Server, Promise.
	EventPromise = link.EventPromise
	// EventDropped: of publishers only.
	EventDropped = link.EventDropped
	// EventClosed: the end. Unconfirmed counts what was not sent, or not
	// confirmed; Err is what ended it: nil for Close, a *GaveUpError, the cause of Config.Context,
	// or the error of a Connect that failed.
	EventClosed = link.EventClosed
)

// Cause says why a connection was lost. Its Stale method tells whether the
// heartbeat found it.
type Cause = link.Cause

// The causes of a loss.
const (
	CauseUnknown       = link.CauseUnknown       // an error of the transport
	CauseClosed        = link.CauseClosed        // the broker closed (FIN)
	CauseReset         = link.CauseReset         // the broker's kernel reset (RST)
	CauseRefused       = link.CauseRefused       // nobody listens there
	CauseTimeout       = link.CauseTimeout       // an attempt took too long
	CauseHostGone      = link.CauseHostGone      // stale: not even acknowledged
	CauseFrozen        = link.CauseFrozen        // stale: acknowledged, not answered
	CauseNotReading    = link.CauseNotReading    // stale: zero window
	CauseUnheard       = link.CauseUnheard       // stale: it sends, and does not hear us
	CauseStalled       = link.CauseStalled       // stale: bytes come, and wait for a segment that was lost
	CauseNotDelivering = link.CauseNotDelivering // stale: found by RoutedProbe
	CauseStale         = link.CauseStale         // stale, the platform tells no more
	CauseServerError   = link.CauseServerError   // -ERR, then closed
	CauseAuth          = link.CauseAuth          // not authorized, or not any longer
	CauseTLS           = link.CauseTLS           // no TLS, or no agreement in it
	CauseProtocol      = link.CauseProtocol      // not the NATS protocol
	CauseLameDuck      = link.CauseLameDuck      // left before the broker stops
	CauseUser          = link.CauseUser          // Close was called
)

// Loss says why and on what evidence a connection was given up. It is an error
// whose text is one sentence, and has the fields Cause, Server, At, Evidence
// (of the heartbeat), TCP (of the kernel), Answering (who answers on a new
// connection), PeerHeard, Text (of -ERR) and Err.
type Loss = link.Loss

// TCPEvidence is what the kernel knew at the verdict: Known, Unacked, Backoff,
// Retransmits, SinceAck, ZeroWindow, Probes, Unsent, RTT, Sent, Resent. It is
// the type of Loss.TCP and Status.TCP.
type TCPEvidence = link.TCPEvidence

// Evidence is what the heartbeat knew. It is the type of Loss.Evidence.
type Evidence = heartbeat.Evidence

// Promise is what the heartbeat keeps at present. It is the type of
// Event.Promise and Status.Promise.
type Promise = heartbeat.Promise

// Tally counts messages and their bytes. It is the type of Event.Unconfirmed.
type Tally = link.Tally

// State is what the connection is doing. It is the type of Status.State.
type State = link.State

// The states of a connection.
const (
	StateConnecting   = link.StateConnecting
	StateConnected    = link.StateConnected
	StateSuspect      = link.StateSuspect
	StateReconnecting = link.StateReconnecting
	StateClosed       = link.StateClosed
)

// Status is how the connection is at one moment: State, Since, Server,
// ServerName, ServerVersion, TLS, LastHeard, RTT, TCP, PongAge, Promise, Evidence,
// Attempt, Next, Loss,
// Queued, Unconfirmed.
type Status = link.Status

// ConnectionStats counts since Connect: InMessages, InBytes, OutMessages,
// OutBytes, Connections, Losses, Reconnects, Deaf, Unconfirmed, Dropped,
// ServerErrors, Unknown.
type ConnectionStats = link.Stats

// Header holds the headers of a message: its methods are Get, Set, Add, Check.
type Header = wire.Header

// Carrier is a Header as OpenTelemetry's propagators want to see it; convert one
// to the other: Extract(ctx, subscriber.Carrier(msg.Header)).
type Carrier = wire.Carrier

// Errors of Connect, beside those of its context.
type (
	// ConnectError: no server answered. Servers, Errs.
	ConnectError = link.ConnectError
	// URLError: a server URL was refused. URL, Err.
	URLError = link.URLError
	// AuthError: not authorized, or no credentials at hand. It is Loss.Err of a
	// CauseAuth. Source, Text, Err.
	AuthError = link.AuthError
	// TLSError: TLS failed. It is Loss.Err of a CauseTLS. Err.
	TLSError = link.TLSError
	// ServerError: the broker said -ERR. It is Event.Err of a ServerError
	// event. Text.
	ServerError = link.ServerError
	// GaveUpError: no broker was found for Config.GiveUpAfter. After, Attempts,
	// Last.
	GaveUpError = link.GaveUpError
	// InterruptedError: the connection was lost during Flush. Loss.
	InterruptedError = link.InterruptedError
	// PayloadError: a reply is larger than the broker takes. Size, Max.
	PayloadError = link.PayloadError
)

// Errors on which callers branch.
var (
	// ErrClosed: Close was called, or the connection ended as it was told to.
	// Then a *GaveUpError or the cause of Config.Context is wrapped beside it.
	ErrClosed = link.ErrClosed
	// ErrNoTLS: a broker offers no TLS, where TLS is demanded.
	ErrNoTLS = link.ErrNoTLS
	// ErrAwayBufferFull: a reply was not taken, since there is no connection
	// and the buffer for that time is full.
	ErrAwayBufferFull = link.ErrAwayBufferFull
)
