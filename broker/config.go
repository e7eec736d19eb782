package broker

import (
	"fmt"
	"log/slog"
	"math"
	"net"
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

	// PingInterval is the silence after which a client is sent a PING, and
	// the time between further ones. 0 is 10 s, shorter than nats-server's
	// 2 min: any byte a client sends is life, so that only silent clients are
	// pinged at all, and one that vanished is found within 30 s.
	PingInterval time.Duration
	// PingMax is how many PINGs may be unanswered when the next is due before
	// the client is closed as stale. 0 is 2.
	PingMax int

	// Logger is told of state changes, never of messages. nil is silent.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Host = orDefault(c.Host, "127.0.0.1")
	c.Port = orDefault(c.Port, DefaultPort)
	c.MaxPayload = orDefault(c.MaxPayload, wire.DefaultMaxPayload)
	c.MaxControlLine = orDefault(c.MaxControlLine, wire.DefaultMaxControlLine)
	c.MaxConnections = orDefault(c.MaxConnections, 1<<16)
	c.MaxSubscriptions = orDefault(c.MaxSubscriptions, math.MaxInt)
	c.MaxPending = orDefault(c.MaxPending, max(64<<20, c.MaxPayload))
	c.WriteDeadline = orDefault(c.WriteDeadline, 10*time.Second)
	c.PingInterval = orDefault(c.PingInterval, 10*time.Second)
	c.PingMax = orDefault(c.PingMax, 2)
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
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"MaxPayload", c.MaxPayload},
		{"MaxControlLine", c.MaxControlLine},
		{"MaxConnections", c.MaxConnections},
		{"MaxSubscriptions", c.MaxSubscriptions},
		{"MaxPending", c.MaxPending},
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
