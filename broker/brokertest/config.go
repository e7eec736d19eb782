package brokertest

import (
	"vigil/broker"
	"vigil/internal/front"
)

// Config says what broker a test gets. The zero value is Vigil's broker with its
// defaults, without login and TLS. It is read-only after Start.
type Config struct {
	// Broker configures Vigil's broker: limits, PING interval, lame duck. Host, Port,
	// Listener and the monitor are the kit's. [StartBackend] and package natstest do
	// not look at it. LameDuckGrace 0 is none and LameDuckDuration 0 is 1 s here, so
	// that a test need not wait.
	Broker broker.Config

	// User and Password, or Token, are what clients must show in CONNECT; others are
	// told 'Authorization Violation'. All empty is no login.
	User, Password, Token string

	// TLS makes clients speak TLS behind INFO, as nats-server does, with a certificate
	// for 127.0.0.1 and localhost that is made on the fly. See [Broker.CA].
	TLS bool

	// DropPackets has the kernel lose packets, instead of the kit merely not reading
	// them: after Crash, and in a BlackHole to the broker, nothing that clients send
	// is acknowledged, and dials get no answer. Linux only, without privilege; Start
	// fails the test elsewhere, and in a synctest bubble.
	DropPackets bool
}

// Direction says which bytes a BlackHole swallows.
type Direction = front.Direction

// The directions.
const (
	ToBroker   = front.ToBroker   // what clients send
	FromBroker = front.FromBroker // what the broker sends
	Both       = front.Both       // both ways
)

// Backend is a broker that [StartBackend] puts behind the kit's faults.
type Backend = front.Backend

// Reconnect is how long a reconnect took: Fault, Noticed, Back.
type Reconnect = front.Reconnect
