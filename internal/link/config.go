package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"vigil/auth"
	"vigil/heartbeat"
)

// Defaults for [Config].
const (
	// DefaultAttemptTimeout bounds one attempt from dialling to the PONG that
	// confirms the subscriptions. A frozen broker's kernel accepts connections
	// that nobody will ever answer.
	DefaultAttemptTimeout = 2 * time.Second
	// DefaultRetryBase is the span from which the first wait before another
	// attempt is drawn. Short, since most losses are over at once.
	DefaultRetryBase = 50 * time.Millisecond
	// DefaultRetryCap is the longest span from which a wait is drawn. A broker
	// that comes back is found one second later on average.
	DefaultRetryCap = 2 * time.Second
	// DefaultOutBuffer bounds what waits for the socket while connected. More
	// would only make whatever is sent wait longer.
	DefaultOutBuffer = 1 << 20
	// DefaultAwayBuffer bounds what is kept while there is no connection, as
	// nats.go's default does.
	DefaultAwayBuffer = 8 << 20
	// DefaultInboxPrefix is what subjects begin with that are made for replies,
	// by custom.
	DefaultInboxPrefix = "_INBOX"
)

// Limits on what a broker can make a client hold. None is configurable: they
// are far above what an honest broker sends.
const (
	// maxControlLine bounds a control line. INFO is the longest, with the
	// addresses of a large cluster.
	maxControlLine = 512 << 10
	// maxInbound bounds one message: nats-server's largest max_payload.
	maxInbound = 64 << 20
	// maxServers bounds the addresses tried, given and discovered.
	maxServers = 256
	// maxUnanswered bounds the PINGs under way on one connection. A broker
	// which sends bytes but no PONG is alive, yet does not speak the protocol.
	maxUnanswered = 4096
	// unansweredFor is how old the oldest of them must be as well: many at
	// once may be many callers of Flush.
	unansweredFor = 10 * time.Second
	// maxOwedPongs bounds the PONGs that wait for the socket. A peer that sends
	// more PINGs than that without reading does not count its answers.
	maxOwedPongs = 1024
	// maxErrorEvents bounds the ServerError events of one connection, so that
	// a storm of -ERR does not push other events out of the queue. The rest is
	// counted.
	maxErrorEvents = 32
)

// Config says how a Link behaves. The zero value is the default. It is
// read-only after Connect.
type Config struct {
	// Name is shown by the broker's monitoring. Empty is allowed.
	Name string

	// Heartbeat says when silence is asked about and when it is death. The
	// default, when nil, is heartbeat.Default: within 2 s.
	Heartbeat heartbeat.Method

	// OnEvent is called with every event, in order, from one goroutine. It may
	// block without holding up the connection; then the oldest events are
	// dropped and counted in Event.Missed. It may call Close. Nil is silent.
	OnEvent func(Event)

	// Logger gets one record per event. Nil is silent.
	Logger *slog.Logger

	// Dial opens the transport; it must return when its context ends. It is
	// called again, beside the call under way, while no answer comes. Nil is a net.Dialer without TCP keep-alive,
	// which a heartbeat makes pointless: the kernel skips it while data is
	// unacknowledged.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Auth says who we are to servers whose URL does not. It is asked at each
	// attempt. Nil is nobody.
	Auth auth.Method

	// TLS, when not nil, demands TLS of every server, as a tls:// URL does, and
	// says how. ServerName, if empty, is the host of the URL. Nil is the system's
	// CAs, for when TLS is demanded otherwise.
	TLS *tls.Config

	// TLSFirst does the TLS handshake before the broker says a word, as brokers
	// with handshake_first want it. It implies TLS.
	TLSFirst bool

	// AttemptTimeout bounds one attempt, dialling and handshake together. 0 is
	// DefaultAttemptTimeout.
	AttemptTimeout time.Duration

	// RetryBase and RetryCap bound the waits between attempts: full jitter
	// over RetryBase, growing to twice the time since the loss, up to RetryCap.
	// 0 is DefaultRetryBase and DefaultRetryCap.
	RetryBase, RetryCap time.Duration

	// KeepTrying makes Connect try again until its context ends, instead of
	// asking every server once.
	KeepTrying bool

	// Context, when it ends, ends the link, and a Connect under way, as Close
	// does. EventClosed tells what is left behind, and so does Close, once. Nil is
	// never.
	Context context.Context

	// GiveUpAfter bounds how long another connection is sought after a loss;
	// then the link ends, with a *GaveUpError. Each connection that stands, for
	// however short a time, begins the count anew. 0 is for ever.
	GiveUpAfter time.Duration

	// OnEnd is called once if the link ended, but not by Close, with the error
	// that its methods return from then on, before EventClosed. No message comes
	// any more. It must not block, nor call Close. Nil is nothing.
	OnEnd func(error)

	// OutBuffer bounds the bytes that wait for the socket while connected;
	// publishers wait when it is full. 0 is DefaultOutBuffer.
	OutBuffer int

	// AwayBuffer bounds the bytes kept while there is no connection; Publish
	// fails with ErrAwayBufferFull when it is full. 0 is DefaultAwayBuffer,
	// negative keeps nothing: Publish then fails while there is no connection.
	AwayBuffer int

	// NoStandby keeps the link from opening another connection while the broker
	// is suspected. It is then opened after the verdict, which takes a dial and
	// a greeting longer, and nobody knows whether the broker answers others.
	NoStandby bool

	// AwayAge bounds how long messages are kept while there is no connection:
	// older ones are dropped and told with EventDropped. 0 is for ever.
	AwayAge time.Duration

	// KeepUnconfirmed bounds the bytes of messages that are kept after they
	// were handed to the connection, until a PONG confirms them. After a loss
	// Event.AtRisk holds them. 0 keeps none, 64 KiB is the least.
	KeepUnconfirmed int

	// Resend sends what KeepUnconfirmed holds again on the next connection, in
	// order and before all else. Publish then waits when KeepUnconfirmed is
	// full. The broker may have got a message before: it then gets it twice.
	Resend bool

	// RoutedProbe is how often a message is published to an inbox of our own,
	// to see that the broker not only answers but delivers; two in a row that
	// do not come back end the connection. 0 is never. It needs the permission
	// to publish and subscribe below InboxPrefix.
	RoutedProbe time.Duration

	// InboxPrefix is what the subject of the routed probe begins with. It must
	// have been checked. Empty is DefaultInboxPrefix.
	InboxPrefix string

	// NoEcho keeps the connection's own messages from its own subscriptions.
	NoEcho bool

	// AfterRead is called by the reader when all that one read brought was given
	// to the subscriptions, if there was a message among it, and before a PONG
	// within a read: what they have collected can be handed over at once. As long
	// as it takes, nothing is read; the heartbeat does not hold that against the
	// broker. Nil is nothing.
	AfterRead func()

	// slept says how long the machine has been suspended. Tests set it.
	slept func() time.Duration
}

// minKeep is the least that is worth keeping.
const minKeep = 64 << 10

// minRoutedProbe keeps the probes from becoming a load.
const minRoutedProbe = 10 * time.Millisecond

func (c Config) withDefaults() Config {
	if c.Heartbeat == nil {
		c.Heartbeat = heartbeat.Default()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{KeepAlive: -1}).DialContext
	}
	if c.TLSFirst && c.TLS == nil {
		c.TLS = new(tls.Config)
	}
	if c.slept == nil {
		c.slept = suspended
	}
	if c.InboxPrefix == "" {
		c.InboxPrefix = DefaultInboxPrefix
	}
	if c.OnEnd == nil {
		c.OnEnd = func(error) {}
	}
	if c.AfterRead == nil {
		c.AfterRead = func() {}
	}
	if c.AttemptTimeout == 0 {
		c.AttemptTimeout = DefaultAttemptTimeout
	}
	if c.RetryBase == 0 {
		c.RetryBase = DefaultRetryBase
	}
	if c.RetryCap == 0 {
		c.RetryCap = max(DefaultRetryCap, c.RetryBase)
	}
	if c.OutBuffer == 0 {
		c.OutBuffer = DefaultOutBuffer
	}
	switch {
	case c.AwayBuffer == 0:
		c.AwayBuffer = DefaultAwayBuffer
	case c.AwayBuffer < 0:
		c.AwayBuffer = 0
	}
	return c
}

// validate reports the first field of c, defaults applied, that makes no sense.
func (c Config) validate() error {
	if err := c.Heartbeat.Validate(); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	switch {
	case c.AttemptTimeout < 0:
		return fmt.Errorf("link: config: AttemptTimeout is %v, it must be positive", c.AttemptTimeout)
	case c.RetryBase < 0 || c.RetryCap < c.RetryBase:
		return fmt.Errorf("link: config: RetryBase is %v and RetryCap %v, want 0 < RetryBase <= RetryCap", c.RetryBase, c.RetryCap)
	case c.RoutedProbe < 0 || c.RoutedProbe > 0 && c.RoutedProbe < minRoutedProbe:
		return fmt.Errorf("link: config: RoutedProbe is %v, the smallest possible is %v, or 0 for none", c.RoutedProbe, minRoutedProbe)
	case c.RoutedProbe > 0 && c.NoEcho:
		return errors.New("link: config: RoutedProbe and NoEcho exclude each other: the probe is an echo")
	case c.GiveUpAfter < 0:
		return fmt.Errorf("link: config: GiveUpAfter is %v, it must be positive, or 0 for never", c.GiveUpAfter)
	case c.AwayAge < 0:
		return fmt.Errorf("link: config: AwayAge is %v, it must be positive, or 0 for ever", c.AwayAge)
	case c.KeepUnconfirmed != 0 && c.KeepUnconfirmed < minKeep:
		return fmt.Errorf("link: config: KeepUnconfirmed is %d, the least is %d, or 0 for none", c.KeepUnconfirmed, minKeep)
	case c.Resend && c.KeepUnconfirmed == 0:
		return errors.New("link: config: Resend needs KeepUnconfirmed: what is not kept cannot be sent again")
	case c.OutBuffer < 0:
		return fmt.Errorf("link: config: OutBuffer is %d, it must be positive", c.OutBuffer)
	}
	return nil
}
