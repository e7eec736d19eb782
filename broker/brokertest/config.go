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

// Backend is a broker that [StartBackend] puts behind the kit's faults. Its methods are
// InProcessConn, which connects a client without a socket, as both brokers have it: a
// write must wait for its read, as that of net.Pipe does, since by that the kit knows what
// the broker has looked at; LameDuck, which tells the clients, sends them away and returns
// when the broker has stopped; and Stop, which ends it at once, cuts LameDuck short and
// waits until nothing of it is left. Stop may be called again.
type Backend = front.Backend

// Reconnect is how long a reconnect took. Fault says what was survived. Noticed is the
// time from the fault until the client closed its old connection: 0 where that cannot be
// seen, which is after Kill and Reset, that close it themselves, and with
// Config.DropPackets. Back is the time from the fault until the client was connected again
// and subscribed as before.
type Reconnect = front.Reconnect
