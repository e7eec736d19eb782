package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"vigil/broker"
	"vigil/internal/cli"
)

// limitFlags returns the flags for the limits in cfg, with the names that
// nats-server's configuration has for them.
func limitFlags(cfg *broker.Config) *pflag.FlagSet {
	std := broker.Config{}.WithDefaults()
	none, negative, never := 0, -1, time.Duration(-1)
	flags := pflag.NewFlagSet("Limits", pflag.ContinueOnError)
	flags.SortFlags = false
	add := func(name string, value pflag.Value, usage string) { flags.Var(value, name, usage) }
	add("max_payload", sizes.limit(&cfg.MaxPayload, std.MaxPayload, 1, nil),
		"largest message with its header; 64MB at most")
	add("max_control_line", sizes.limit(&cfg.MaxControlLine, std.MaxControlLine, 1, nil),
		"longest line of the protocol")
	add("max_connections", numbers.limit(&cfg.MaxConnections, std.MaxConnections, 1, nil),
		"clients at once")
	add("max_subscriptions", numbers.limit(&cfg.MaxSubscriptions, 0, 1, &none),
		"subscriptions of one client; no limit, which is 0, by default")
	add("max_sub_tokens", numbers.limit(&cfg.MaxSubTokens, 0, 1, &none),
		"tokens of a subscription's subject; no limit, which is 0, by default")
	add("max_pending", sizes.limit(&cfg.MaxPending, std.MaxPending, 1, nil),
		"what may wait for one client; one further behind is closed. At least max_payload")
	add("write_deadline", spans.limit(&cfg.WriteDeadline, std.WriteDeadline, 1, nil),
		"how long a client may take nothing of what waits for it")
	add("ping_interval", spans.limit(&cfg.PingInterval, std.PingInterval, minPing, nil),
		"silence before a client is sent a PING, and between further ones")
	add("ping_max", numbers.limit(&cfg.PingMax, std.PingMax, 1, nil).upTo(maxPings),
		"PINGs unanswered when the next is due before a client is closed")
	add("memory_budget", sizes.limit(&cfg.MemoryBudget, 0, 1, &negative),
		"what all clients together may make the broker hold; those that hold most are closed. 0 is no limit; a quarter of the memory by default")
	add("handshake_timeout", spans.limit(&cfg.HandshakeTimeout, std.HandshakeTimeout, 1, &never),
		"how long a client's first operation may take; 0 is no limit")
	add("lame_duck_grace_period", spans.limit(&cfg.LameDuckGrace, std.LameDuckGrace, 1, &never),
		"how long a lame duck keeps all its clients; 0 is not at all")
	add("lame_duck_duration", spans.limit(&cfg.LameDuckDuration, std.LameDuckDuration, 1, nil),
		"when the last client of a lame duck has been closed; more than lame_duck_grace_period")
	return flags
}

// What the heartbeat takes, and spans that can be added up.
const (
	minPing  = 10 * time.Millisecond
	maxPings = 1000
	maxSpan  = 1000 * time.Hour
)

// flagOf are the flags for those fields of a broker.Config that depend on each
// other.
var flagOf = strings.NewReplacer(
	"broker: ", "",
	"MaxPayload", "--max_payload",
	"MaxPending", "--max_pending",
	"MemoryBudget", "--memory_budget",
	"LameDuckDuration", "--lame_duck_duration",
	"LameDuckGrace", "--lame_duck_grace_period",
	"ConnectURLs", "--connect_urls",
	"a negative value for no bound", "0 for no limit",
)

// wrongFlags tells about a broker.Config that was refused in words of the
// command line.
func wrongFlags(err *broker.ConfigError) error {
	return cli.Usagef("%s", flagOf.Replace(err.Error()))
}

// form is how the values of some flags are written.
type form[T int | time.Duration] struct {
	kind string // what --help calls it
	want string // what it looks like
	// parse may return the largest or smallest T instead of one that is none.
	parse func(string) (T, error)
	text  func(T) string
	most  T
}

var (
	sizes   = form[int]{"size", "a size such as 512K or 64MB", parseSize, formatSize, maxSize}
	numbers = form[int]{"number", "a number", parseNumber, strconv.Itoa, math.MaxInt32}
	spans   = form[time.Duration]{"duration", "a duration such as 10s or 500ms", time.ParseDuration, time.Duration.String, maxSpan}
)

// limit returns a flag's value for a field of the configuration. With off, 0 and
// less is no limit, for which the field has that value.
func (f form[T]) limit(field *T, standard, least T, off *T) *limit[T] {
	l := &limit[T]{form: f, field: field, least: least, off: off}
	if standard != 0 {
		l.shown = f.text(standard)
	}
	return l
}

// limit is the value of a flag for a limit. It is a [pflag.Value].
type limit[T int | time.Duration] struct {
	form[T]
	field *T
	least T
	off   *T // nil if there is always a limit
	shown string
}

// upTo sets the most that can be asked for.
func (l *limit[T]) upTo(most T) *limit[T] {
	l.most = most
	return l
}

// Set implements pflag.Value. The error says what is wanted; pflag tells which
// flag it is about.
func (l *limit[T]) Set(text string) error {
	value, err := l.parse(text)
	switch {
	case err != nil && l.off != nil:
		return fmt.Errorf("want %s, or 0 for no limit", l.want)
	case err != nil:
		return fmt.Errorf("want %s", l.want)
	case value <= 0 && l.off != nil:
		value = *l.off
	case value <= 0 && l.least == 1:
		return fmt.Errorf("want more than 0")
	case value < l.least:
		return fmt.Errorf("want at least %s", l.text(l.least))
	case value > l.most:
		return fmt.Errorf("want at most %s", l.text(l.most))
	}
	*l.field, l.shown = value, text
	return nil
}

// String implements pflag.Value.
func (l *limit[T]) String() string { return l.shown }

// Type implements pflag.Value.
func (l *limit[T]) Type() string { return l.kind }
