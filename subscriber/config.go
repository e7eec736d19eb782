package subscriber

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"vigil/auth"
	"vigil/heartbeat"
	"vigil/internal/link"
)

// Defaults for [Config].
const (
	// DefaultMaxPending bounds the messages that wait for one subscription.
	DefaultMaxPending = 65536
	// DefaultMaxPendingBytes bounds their bytes.
	DefaultMaxPendingBytes = 64 << 20
)

// Config says how a Subscriber behaves. The zero value is the default. It is
// read-only after Connect.
type Config struct {
	// Name is shown by the broker's monitoring. Empty is allowed.
	Name string

	// Heartbeat says when silence is asked about and when it is death. The
	// default, when nil, is heartbeat.Default: within 2 s, for one small message every
	// 0.9 s of silence.
	Heartbeat heartbeat.Method

	// OnEvent is called with every event, in order, from one goroutine. It may
	// take its time without holding up the connection; then the oldest events
	// are dropped and counted in Event.Missed. It may call Close. Nil is
	// silent.
	OnEvent func(Event)

	// Logger gets one record per event. Nil is silent.
	Logger *slog.Logger

	// MaxPending and MaxPendingBytes bound what waits for one subscription's
	// consumer, unless its options say otherwise. When either is reached,
	// reading pauses for a moment, no longer than the heartbeat allows, so that
	// a burst is held back by the broker. If that does not help the newest
	// messages are dropped, counted in Stats, and an EventSlowConsumer tells. 0
	// is DefaultMaxPending and DefaultMaxPendingBytes, negative is no bound.
	MaxPending, MaxPendingBytes int

	// NoStandby keeps the connection from opening another one while the broker
	// is suspected, which otherwise takes over at once if the verdict is death.
	NoStandby bool

	// RoutedProbe is how often a message is published to an inbox of one's own,
	// to see that the broker not only answers but delivers; two in a row that
	// do not come back end the connection. 0 is never, 10 ms the shortest. It
	// needs the permission to publish and subscribe below InboxPrefix.
	RoutedProbe time.Duration

	// InboxPrefix is what the subjects begin with that are made for routed
	// probes, for accounts in which each user may subscribe below a prefix
	// of its own. Empty is "_INBOX".
	InboxPrefix string

	// Auth says who the client is to brokers whose URL does not: auth.Password,
	// auth.Credentials and others. It is asked at each attempt, so that renewed
	// credentials are used by the next one. Nil is nobody.
	Auth auth.Method

	// TLS, when not nil, demands TLS of every broker, as a tls:// URL does, and
	// says how: RootCAs, Certificates. ServerName, if empty, is the host of the
	// URL. Nil is the system's CAs, for when a URL or a broker demands TLS. Once
	// TLS was demanded, no connection is in plain text again.
	TLS *tls.Config

	// TLSFirst does the TLS handshake before the broker says a word, as brokers
	// with handshake_first want it. It implies TLS.
	TLSFirst bool

	// KeepTrying makes Connect try again until its context ends, instead of
	// asking every server once.
	KeepTrying bool

	// Context, when it ends, ends the connection, and a Connect under way, without
	// waiting for anything but a reader that the option Block holds; EventClosed
	// tells what is left behind. Close is still to be called: it ends channels
	// that nobody receives from. Nil is never.
	Context context.Context

	// GiveUpAfter bounds how long another connection is sought after a loss;
	// then all ends, with a *GaveUpError. Each connection that stands, for
	// however short a time, begins the count anew. 0 is for ever.
	GiveUpAfter time.Duration

	// AttemptTimeout bounds one attempt to connect, from dialling to confirmed
	// subscriptions. 0 is 2 s.
	AttemptTimeout time.Duration

	// RetryBase and RetryCap bound the waits between attempts, which are
	// random and double up to RetryCap. 0 is 50 ms and 2 s.
	RetryBase, RetryCap time.Duration

	// NoEcho keeps messages sent with Respond from the own subscriptions.
	NoEcho bool

	// Dial opens the transport; it must return when its context ends. It is
	// called again, beside the call under way, while no answer comes. Nil is
	// TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (c Config) withDefaults() Config {
	if c.InboxPrefix == "" {
		c.InboxPrefix = link.DefaultInboxPrefix
	}
	if c.Heartbeat == nil {
		c.Heartbeat = heartbeat.Default()
	}
	if c.MaxPending == 0 {
		c.MaxPending = DefaultMaxPending
	}
	if c.MaxPendingBytes == 0 {
		c.MaxPendingBytes = DefaultMaxPendingBytes
	}
	return c
}

func (c Config) link() link.Config {
	return link.Config{
		Name: c.Name, Heartbeat: c.Heartbeat, OnEvent: c.OnEvent, Logger: c.Logger, Dial: c.Dial,
		AttemptTimeout: c.AttemptTimeout, RetryBase: c.RetryBase, RetryCap: c.RetryCap,
		Auth: c.Auth, TLS: c.TLS, TLSFirst: c.TLSFirst, KeepTrying: c.KeepTrying,
		Context: c.Context, GiveUpAfter: c.GiveUpAfter, NoStandby: c.NoStandby, RoutedProbe: c.RoutedProbe, InboxPrefix: c.InboxPrefix, NoEcho: c.NoEcho,
	}
}

// SlowConsumerError says that messages were dropped for want of room. It is
// Event.Err of an EventSlowConsumer, which is told of the first message dropped
// at once and then no more often than each second, until every one was told.
type SlowConsumerError struct {
	Pending, PendingBytes int   // what waits
	New                   int64 // messages dropped since the event before
	Dropped               int64 // messages dropped so far, these included
}

// Error returns the numbers in one sentence.
func (e *SlowConsumerError) Error() string {
	return fmt.Sprintf("%d messages dropped (%d so far), %d (%d bytes) wait; consume faster, or raise MaxPending", e.New, e.Dropped, e.Pending, e.PendingBytes)
}

// UnhandledError says how many messages had arrived and were not handled.
type UnhandledError struct {
	Messages int
	Err      error // why they will not be, nil for Close
}

// Error returns the number and the reason.
func (e *UnhandledError) Error() string {
	text := fmt.Sprintf("subscriber: %d messages were not handled", e.Messages)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the reason.
func (e *UnhandledError) Unwrap() error { return e.Err }
