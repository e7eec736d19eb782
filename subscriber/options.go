package subscriber

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Option says how a subscription differs from the default. The zero value
// changes nothing.
type Option struct{ set func(*options) }

// options are what the Options of a subscription come to.
type options struct {
	queue        string
	isQueue      bool
	max          int64
	maxPending   int
	maxBytes     int
	overflow     overflow
	block        time.Duration
	concurrency  int
	dropRepeats  bool
	repeats      int
	repeatWindow time.Duration
	reuse        bool
}

// overflow is what becomes of messages for which there is no room.
type overflow uint8

const (
	holdBriefly overflow = iota // hold the reader as long as patience says, then drop the newest
	dropNewest
	dropOldest
	holdUpTo // hold the reader as long as told, then drop the newest
)

// Bounds of what an Option may ask for.
const (
	// maxConcurrency bounds the goroutines of one handler.
	maxConcurrency = 1 << 16
	// maxRepeats bounds the identifiers that one subscription keeps.
	maxRepeats = 1 << 24
)

// Queue makes the subscription a member of a queue group: of all members of the
// group, each message reaches one.
func Queue(group string) Option {
	return Option{func(o *options) { o.queue, o.isQueue = group, true }}
}

// MaxMessages ends the subscription after n messages, at least 1, as if
// Unsubscribe were called: Messages and Channel end when these were taken. It
// counts what came, also what was then dropped.
func MaxMessages(n int64) Option { return Option{func(o *options) { o.max = n }} }

// MaxPending bounds what waits for the consumer, in messages and bytes, in place
// of Config.MaxPending and Config.MaxPendingBytes. 0 leaves a bound as it is,
// negative is none.
func MaxPending(messages, bytes int) Option {
	return Option{func(o *options) {
		if messages != 0 {
			o.maxPending = messages
		}
		if bytes != 0 {
			o.maxBytes = bytes
		}
	}}
}

// DropNewest drops a message at once for which there is no room. The connection
// is never held.
func DropNewest() Option { return Option{func(o *options) { o.overflow = dropNewest }} }

// DropOldest drops the oldest messages that wait to make room for the newest,
// for consumers that want the latest. The connection is never held.
func DropOldest() Option { return Option{func(o *options) { o.overflow = dropOldest }} }

// Block holds the connection for up to d when there is no room, so that the
// broker and, behind it, the publishers are slowed down. If there is none after
// d either, the newest messages are dropped, and the connection is not held
// again until half of the room is free.
//
// While the connection is held none of its subscriptions gets a message, and
// this end is deaf by its own will: what has not been read is not heard. That is
// not held against the broker, so one that dies meanwhile is found up to d
// later. A broker does not wait for ever either: it closes the connection of a
// slow consumer, nats-server after 10 s or 64 MiB.
func Block(d time.Duration) Option {
	return Option{func(o *options) { o.overflow, o.block = holdUpTo, d }}
}

// Concurrency lets n goroutines, at least 1, call the handler at the same time.
// Then messages are begun in the order of arrival, and nothing is said about the
// order in which they are done. It is for SubscribeFunc alone.
func Concurrency(n int) Option { return Option{func(o *options) { o.concurrency = n }} }

// DropRepeats drops messages whose Nats-Msg-Id header was that of a message
// handed out before, less than window ago and among the last n that had one.
// They are counted in Stats.Repeats. A publisher that sends again what was not
// confirmed gives each message such an identifier, so that each is handled once.
//
// Memory is bounded by n, with the identifiers' own bytes.
func DropRepeats(n int, window time.Duration) Option {
	return Option{func(o *options) { o.dropRepeats, o.repeats, o.repeatWindow = true, n, window }}
}

// Reuse lets the memory of messages be used again as soon as they are handled: a
// Msg, its Data and its Header are valid only until the handler returns, or the
// loop asks for the next message. Who keeps one keeps a Clone. It makes receiving
// cheaper, since there is nothing left for the garbage collector to do. Channel
// hands out clones.
func Reuse() Option { return Option{func(o *options) { o.reuse = true }} }

// optionsOf returns what opts come to, or the first that makes no sense.
func optionsOf(cfg Config, handler bool, opts []Option) (options, error) {
	o := options{maxPending: cfg.MaxPending, maxBytes: cfg.MaxPendingBytes, max: math.MaxInt64, concurrency: 1}
	for _, opt := range opts {
		if opt.set != nil {
			opt.set(&o)
		}
	}
	switch {
	case o.isQueue && (o.queue == "" || strings.ContainsAny(o.queue, " \t\r\n")):
		// Anything else may name a group; these would be read as protocol.
		return o, fmt.Errorf("%w: queue %q is empty or holds a blank", ErrBadSubject, o.queue)
	case o.max < 1:
		return o, fmt.Errorf("%w: MaxMessages is %d, the least is 1", ErrBadOption, o.max)
	case o.overflow == holdUpTo && o.block <= 0:
		return o, fmt.Errorf("%w: Block is for %v, it must be positive; use DropNewest to never wait", ErrBadOption, o.block)
	case o.concurrency < 1 || o.concurrency > maxConcurrency:
		return o, fmt.Errorf("%w: Concurrency is %d, want 1 to %d", ErrBadOption, o.concurrency, maxConcurrency)
	case o.concurrency > 1 && !handler:
		return o, fmt.Errorf("%w: Concurrency is for handlers; start several loops over Messages instead", ErrBadOption)
	case o.dropRepeats && (o.repeats < 1 || o.repeats > maxRepeats || o.repeatWindow <= 0):
		return o, fmt.Errorf("%w: DropRepeats of %d within %v, want 1 to %d within a positive time", ErrBadOption, o.repeats, o.repeatWindow, maxRepeats)
	}
	return o, nil
}
