package broker

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"time"

	"vigil/heartbeat"
	"vigil/internal/wire"
)

// DefaultPort is the port of NATS brokers.
const DefaultPort = 4222

// RandomPort as Config.Port lets the system choose a free port.
const RandomPort = -1

// Config says how a broker behaves. The zero value is a broker on
// 127.0.0.1:4222 with nats-server's limits. A Config is read once, by [Start].
type Config struct {
	// Host is the address or name to listen on. "" is 127.0.0.1, not every
	// interface: a broker without authentication is opened to a network on
	// purpose or not at all.
	Host string
	// Port is the TCP port. 0 is [DefaultPort], [RandomPort] any free one.
	Port int
	// Listener, when set, is served instead of Host and Port. The broker
	// closes it.
	Listener net.Listener
	// Name is the server_name that INFO shows. "" is the server's id.
	Name string
	// ConnectURLs are the addresses, each "host:port", that INFO tells clients
	// to try when this one fails: this broker's own, and those of others that
	// serve the same clients. nil tells none.
	ConnectURLs []string

	// MaxPayload bounds header and payload of one message, in bytes. 0 is
	// 1 MiB.
	MaxPayload int
	// MaxControlLine bounds one control line, in bytes. 0 is 4096.
	MaxControlLine int
	// MaxConnections bounds the clients connected at once. 0 is 65,536.
	MaxConnections int
	// MaxSubscriptions bounds the subscriptions of one connection. 0 is no
	// bound.
	MaxSubscriptions int
	// MaxPending bounds what waits to be written to one client, in bytes; a
	// client that falls further behind is closed as a slow consumer. 0 is
	// 64 MiB. It is at least MaxPayload.
	MaxPending int
	// WriteDeadline is how long a client's socket may accept nothing while
	// output waits, before the client is closed as a slow consumer. 0 is 10 s.
	WriteDeadline time.Duration

	// MaxSubTokens bounds the tokens of the subject of one subscription. 0 is
	// no bound.
	MaxSubTokens int
	// HandshakeTimeout is how long a new connection may take to complete its
	// first operation, whatever it sends meanwhile. Then it is closed without
	// a word. 0 is 5 s, a negative value no bound.
	HandshakeTimeout time.Duration
	// MemoryBudget bounds what all clients together make the broker hold, in
	// bytes: output that waits, input whose rest has not come, subscriptions
	// and cached routes. When it is exceeded the clients that hold most are
	// closed. 0 is a quarter of the machine's memory, or of the control
	// group's if that has less; a negative value is no bound. It is at least
	// 4 × MaxPayload. See [Broker.MemoryBudget].
	MemoryBudget int

	// PingInterval is the silence after which a client is sent a PING, and
	// the time between further ones. 0 is 10 s, shorter than nats-server's
	// 2 min: any byte a client sends is life, so that only silent clients are
	// pinged at all, and one that vanished is found within 30 s.
	PingInterval time.Duration
	// PingMax is how many PINGs may be unanswered when the next is due before
	// the client is closed as stale. 0 is 2.
	PingMax int

	// LameDuckGrace is how long [Broker.LameDuck] leaves clients alone, so that
	// several brokers can be told before the first client is sent away. 0 is
	// 10 s, a negative value none.
	LameDuckGrace time.Duration
	// LameDuckDuration is how long [Broker.LameDuck] takes at most. 0 is 2 min.
	// It is longer than LameDuckGrace.
	LameDuckDuration time.Duration

	// MonitorHost is where monitoring is served. "" is 127.0.0.1: it shows
	// everyone who can reach it who is connected, and what they subscribe to.
	MonitorHost string
	// MonitorPort is the HTTP port of monitoring. 0 is no monitoring,
	// [RandomPort] any free port, see [Broker.MonitorAddr].
	MonitorPort int

	// Logger is told of state changes, never of messages. nil is silent.
	Logger *slog.Logger
}

// ConfigError says which field of a Config cannot be obeyed, and what is wanted.
type ConfigError struct{ Err error }

// Error returns what is wrong.
func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *ConfigError) Unwrap() error { return e.Err }

// WithDefaults returns c with the defaults in place of the fields that are zero,
// as [Start] takes it.
func (c Config) WithDefaults() Config {
	c.Host = orDefault(c.Host, "127.0.0.1")
	c.Port = orDefault(c.Port, DefaultPort)
	c.MaxPayload = orDefault(c.MaxPayload, wire.DefaultMaxPayload)
	c.MaxControlLine = orDefault(c.MaxControlLine, wire.DefaultMaxControlLine)
	c.MaxConnections = orDefault(c.MaxConnections, 1<<16)
	c.MaxSubscriptions = orDefault(c.MaxSubscriptions, math.MaxInt)
	c.MaxPending = orDefault(c.MaxPending, max(64<<20, c.MaxPayload))
	c.WriteDeadline = orDefault(c.WriteDeadline, 10*time.Second)
	c.HandshakeTimeout = orDefault(c.HandshakeTimeout, 5*time.Second)
	if c.MemoryBudget == 0 {
		c.MemoryBudget = max(int(min(machineMemory()/4, math.MaxInt)), 4*c.MaxPayload)
	}
	c.PingInterval = orDefault(c.PingInterval, 10*time.Second)
	c.PingMax = orDefault(c.PingMax, 2)
	c.LameDuckGrace = orDefault(c.LameDuckGrace, 10*time.Second)
	c.LameDuckDuration = orDefault(c.LameDuckDuration, 2*time.Minute)
	c.MonitorHost = orDefault(c.MonitorHost, "127.0.0.1")
	c.ConnectURLs = slices.Clone(c.ConnectURLs)
	c.Logger = orDefault(c.Logger, slog.New(slog.DiscardHandler))
	return c
}

func orDefault[T comparable](value, standard T) T {
	var zero T
	if value == zero {
		return standard
	}
	return value
}

// validate reports the first rule that c, with its defaults filled in, breaks.
func (c Config) validate() error {
	if c.Port < RandomPort || c.Port > math.MaxUint16 {
		return fmt.Errorf("broker: port %d: want 0 to 65535, or -1 for any free port", c.Port)
	}
	if c.MonitorPort < RandomPort || c.MonitorPort > math.MaxUint16 {
		return fmt.Errorf("broker: MonitorPort %d: want 1 to 65535, -1 for any free port, or 0 for none", c.MonitorPort)
	}
	for _, url := range c.ConnectURLs {
		if _, _, err := net.SplitHostPort(url); err != nil {
			return fmt.Errorf("broker: ConnectURLs: %q: want host:port", url)
		}
	}
	if c.LameDuckDuration <= max(c.LameDuckGrace, 0) {
		return fmt.Errorf("broker: LameDuckDuration %v: want more than LameDuckGrace, %v", c.LameDuckDuration, max(c.LameDuckGrace, 0))
	}
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"MaxPayload", c.MaxPayload},
		{"MaxControlLine", c.MaxControlLine},
		{"MaxConnections", c.MaxConnections},
		{"MaxSubscriptions", c.MaxSubscriptions},
		{"MaxPending", c.MaxPending},
		{"MaxSubTokens", c.MaxSubTokens},
	} {
		if limit.value < 0 {
			return fmt.Errorf("broker: %s %d: want more than 0, or 0 for the default", limit.name, limit.value)
		}
	}
	if c.MaxPayload > maxMaxPayload {
		return fmt.Errorf("broker: MaxPayload %d: want at most %d", c.MaxPayload, maxMaxPayload)
	}
	if c.MaxPending < c.MaxPayload {
		return fmt.Errorf("broker: MaxPending %d: want at least MaxPayload, %d", c.MaxPending, c.MaxPayload)
	}
	if c.MemoryBudget >= 0 && c.MemoryBudget < 4*c.MaxPayload {
		return fmt.Errorf("broker: MemoryBudget %d: want at least 4 times MaxPayload, %d, or a negative value for no bound", c.MemoryBudget, 4*c.MaxPayload)
	}
	if c.WriteDeadline < 0 {
		return fmt.Errorf("broker: WriteDeadline %v: want more than 0, or 0 for the default", c.WriteDeadline)
	}
	if err := c.heartbeat().Validate(); err != nil {
		return fmt.Errorf("broker: PingInterval %v, PingMax %d: %w", c.PingInterval, c.PingMax, err)
	}
	return nil
}

// maxMaxPayload is the largest payload limit that can be asked for, as for
// nats-server.
const maxMaxPayload = 64 << 20

// heartbeat is the detector's configuration that nats-server's two knobs mean:
// dead when a PING is due and PingMax are unanswered.
func (c Config) heartbeat() heartbeat.Config {
	return heartbeat.Config{Idle: c.PingInterval, Interval: c.PingInterval, Probes: c.PingMax}
}
