package publisher

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"vigil/auth"
	"vigil/heartbeat"
	"vigil/internal/link"
)

// DefaultCloseTimeout bounds how long Close waits for the broker to confirm
// what was published.
const DefaultCloseTimeout = time.Second

// Config says how a Publisher behaves. The zero value is the default. It is
// read-only after Connect.
type Config struct {
	// Name is shown by the broker's monitoring. Empty is allowed.
	Name string

	// Heartbeat says when silence is asked about and when it is death. The
	// default, when nil, is heartbeat.Default: within 2 s.
	Heartbeat heartbeat.Method

	// OnEvent is called with every event, in order, from one goroutine. It may
	// take its time without holding up the connection; then the oldest events
	// are dropped and counted in Event.Missed. It may call Close. Nil is
	// silent.
	OnEvent func(Event)

	// Logger gets one record per event. Nil is silent.
	Logger *slog.Logger

	// OutBuffer bounds the bytes that wait for the socket while connected;
	// Publish waits when it is full. 0 is 1 MiB. More makes every message wait
	// longer, not the connection faster.
	OutBuffer int

	// AwayBuffer bounds the bytes kept while there is no connection; Publish
	// returns ErrAwayBufferFull when it is full. 0 is 8 MiB, negative keeps
	// nothing.
	AwayBuffer int

	// AwayAge bounds how long a message is kept while there is no connection;
	// older ones are dropped and told with EventDropped. 0 is for ever.
	AwayAge time.Duration

	// Confirmed sends messages that a lost connection left unconfirmed again on
	// the next one, in order and before later ones. The broker may have got
	// such a message already, so each has a Nats-Msg-Id header, of its own
	// unless you gave one, by which JetStream and package subscriber's
	// DropRepeats pass over the second. Publish waits when KeepUnconfirmed is
	// full.
	Confirmed bool

	// KeepUnconfirmed bounds the bytes of messages that are kept until the
	// broker has confirmed them; after a loss Event.AtRisk holds them. 0 keeps
	// none, or 8 MiB with Confirmed; 64 KiB is the least.
	KeepUnconfirmed int

	// CloseTimeout bounds how long Close waits for the broker to confirm what
	// was published. 0 is DefaultCloseTimeout, negative is not at all.
	CloseTimeout time.Duration

	// NoStandby keeps the connection from opening another one while the broker
	// is suspected, which otherwise takes over at once if the verdict is death.
	NoStandby bool

	// RoutedProbe is how often a message is published to an inbox of one's own,
	// to see that the broker not only answers but delivers; two in a row that
	// do not come back end the connection. 0 is never, 10 ms the shortest. It
	// needs the permission to publish and subscribe below InboxPrefix.
	RoutedProbe time.Duration

	// InboxPrefix is what the subjects begin with that are made for replies and
	// for routed probes, for accounts in which each user may subscribe below a prefix
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
	// waiting for anything; EventClosed tells what is left behind. Close is still
	// to be called, and tells it, too. Nil is
	// never.
	Context context.Context

	// GiveUpAfter bounds how long another connection is sought after a loss;
	// then all ends, with a *GaveUpError. Each connection that stands, for
	// however short a time, begins the count anew. 0 is for ever.
	GiveUpAfter time.Duration

	// AttemptTimeout bounds one attempt to connect. 0 is 2 s.
	AttemptTimeout time.Duration

	// RetryBase and RetryCap bound the waits between attempts, which are
	// random and double up to RetryCap. 0 is 50 ms and 2 s.
	RetryBase, RetryCap time.Duration

	// Dial opens the transport; it must return when its context ends. It is
	// called again, beside the call under way, while no answer comes. Nil is
	// TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (c Config) withDefaults() Config {
	if c.InboxPrefix == "" {
		c.InboxPrefix = link.DefaultInboxPrefix
	}
	if c.CloseTimeout == 0 {
		c.CloseTimeout = DefaultCloseTimeout
	}
	if c.Confirmed && c.KeepUnconfirmed == 0 {
		c.KeepUnconfirmed = defaultKeep
	}
	return c
}

// defaultKeep is KeepUnconfirmed with Confirmed: as much as may wait while there
// is no connection.
const defaultKeep = link.DefaultAwayBuffer

func (c Config) link() link.Config {
	return link.Config{
		Name: c.Name, Heartbeat: c.Heartbeat, OnEvent: c.OnEvent, Logger: c.Logger, Dial: c.Dial,
		AttemptTimeout: c.AttemptTimeout, RetryBase: c.RetryBase, RetryCap: c.RetryCap,
		Auth: c.Auth, TLS: c.TLS, TLSFirst: c.TLSFirst, KeepTrying: c.KeepTrying,
		Context: c.Context, GiveUpAfter: c.GiveUpAfter, NoStandby: c.NoStandby, RoutedProbe: c.RoutedProbe, InboxPrefix: c.InboxPrefix,
		OutBuffer: c.OutBuffer, AwayBuffer: c.AwayBuffer,
		AwayAge: c.AwayAge, KeepUnconfirmed: c.KeepUnconfirmed, Resend: c.Confirmed,
	}
}
