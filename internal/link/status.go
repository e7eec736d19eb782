package link

import (
	"strconv"
	"time"

	"vigil/heartbeat"
)

// State is what a connection is doing.
type State uint8

// The states. See the package comment for how they follow one another.
const (
	// StateConnecting: Connect has not returned yet.
	StateConnecting State = iota
	// StateConnected: the subscriptions are in effect and the peer was heard.
	StateConnected
	// StateSuspect: connected, and a probe is overdue.
	StateSuspect
	// StateReconnecting: the connection was lost, another one is sought.
	StateReconnecting
	// StateClosed: Close was called. Final.
	StateClosed
)

var stateNames = [...]string{
	StateConnecting: "connecting", StateConnected: "connected", StateSuspect: "suspect",
	StateReconnecting: "reconnecting", StateClosed: "closed",
}

// String returns the state in lower case: "connected".
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

// Status is how a connection is at one moment.
type Status struct {
	State State
	Since time.Time // when State began

	// Server is the URL, without credentials, of the connection that stands or
	// was the last one; ServerName and ServerVersion are what it calls itself.
	Server, ServerName, ServerVersion string

	// TLS is that connection's version of TLS, such as "TLS 1.3", empty for plain
	// text.
	TLS string

	LastHeard time.Time     // the last inbound byte that was read
	RTT       time.Duration // of the last PING answered, 0 before the first

	// TCP is what the kernel knows of the connection at this moment. Its Known
	// is false while there is none.
	TCP TCPEvidence

	// PongAge is how long the oldest unanswered PING has been waiting, 0 when
	// none is. While bytes come it is no sign of death, but how much of the
	// peer's other bytes the PONG has to wait for.
	PongAge time.Duration

	// Promise is what the heartbeat keeps on the network as it is: within
	// which time it finds a dead peer, and whether that is what was asked.
	Promise heartbeat.Promise

	// Evidence is the heartbeat's, as of its last step.
	Evidence heartbeat.Evidence

	Attempt int       // while reconnecting: attempts since the loss, from 1
	Next    time.Time // while reconnecting: when the attempt is or was due
	Loss    *Loss     // the last one, nil if there was none

	Queued      Tally // messages not handed to the socket yet
	Unconfirmed Tally // messages handed to the present connection, no PONG yet
}

// Stats counts since Connect.
type Stats struct {
	InMessages, InBytes   int64         // messages received, and all bytes
	OutMessages, OutBytes int64         // messages taken by Publish, with control lines
	Connections           int64         // established, the first one included
	Losses                int64         // connections lost
	Reconnects            int64         // of these, those in whose place another one stands or stood
	Deaf                  time.Duration // all deaf windows that are over, together
	Unconfirmed           Tally         // messages handed to connections lost, fate unknown
	Dropped               Tally         // messages taken by Publish that will not be sent
	ServerErrors          int64         // -ERR received
	Unknown               int64         // messages for a sid that is not subscribed (any more)
}
