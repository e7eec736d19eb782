package link

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vigil/internal/wire"
)

// A lame duck is left without a deaf window: the subscriptions are made on
// another server first, then ended on the lame duck, and only when all that the
// lame duck had delivered is in does the other connection deliver.
//
//	the lame duck       ──messages──────────────┐ UNSUB, PING ─ PONG
//	                                            │                 │
//	the other server    CONNECT ─ SUB, PING ─ PONG (held …)  PING ─ PONG (delivered)
//
// In a cluster what is published while both are subscribed comes twice. Of what
// was held, a message that is equal to the byte to one that the lame duck
// delivered since is taken for its copy and passed over. Where the lame duck
// delivered several equal ones nobody can tell which have a copy: then all that
// was held of them is delivered, twice rather than not at all. A copy that the
// cluster brings later than the last PONG comes twice as well.

// holder keeps what a connection is delivered until it may deliver.
type holder struct {
	on   atomic.Bool // holds
	mu   sync.Mutex
	held []heldMessage // guarded by mu
	size int           // bytes within; guarded by mu
}

// heldMessage is a message that waits.
type heldMessage struct {
	op   wire.Op
	copy []byte // what op's slices point to
}

// maxHeld bounds the bytes of messages held. A hand-over takes a few round
// trips.
const maxHeld = 64 << 20

// hold keeps a copy of op. It returns false when the connection may deliver by
// itself, and an error when too much is held.
func (h *holder) hold(op *wire.Op) (bool, error) {
	if !h.on.Load() {
		return false, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.on.Load() {
		return false, nil
	}
	m := heldMessage{op: wire.Op{Kind: op.Kind, HeaderLen: op.HeaderLen}}
	m.copy = slices.Concat(op.Subject, op.SID, op.Reply, op.Frame)
	rest := m.copy
	for _, part := range []struct{ to, of *[]byte }{
		{&m.op.Subject, &op.Subject}, {&m.op.SID, &op.SID}, {&m.op.Reply, &op.Reply}, {&m.op.Frame, &op.Frame},
	} {
		n := len(*part.of)
		if *part.of != nil {
			*part.to = rest[:n:n]
		}
		rest = rest[n:]
	}
	h.held, h.size = append(h.held, m), h.size+len(m.copy)
	if h.size > maxHeld {
		return true, errHeld
	}
	return true, nil
}

// release hands over what was held, in order, and lets the connection deliver
// from now on.
func (h *holder) release(deliver func(*wire.Op)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.held {
		deliver(&h.held[i].op)
	}
	h.held, h.size = nil, 0
	h.on.Store(false)
}

// delivered counts the messages that a connection delivered, by what they are.
type delivered struct {
	on   atomic.Bool
	seed maphash.Seed
	seen map[uint64]int // owned by the reader, then by whoever waited for its end
}

// maxDelivered bounds the kinds of messages counted. Those beyond it may come
// twice.
const maxDelivered = 1 << 18

func (d *delivered) start() {
	d.seed, d.seen = maphash.MakeSeed(), make(map[uint64]int)
	d.on.Store(true)
}

func (d *delivered) key(op *wire.Op) uint64 {
	var h maphash.Hash
	h.SetSeed(d.seed)
	for _, part := range [][]byte{op.SID, op.Subject, op.Reply, op.Frame} {
		h.Write(part)
		h.WriteByte('\n')
	}
	return h.Sum64()
}

// count counts a message delivered.
func (d *delivered) count(op *wire.Op) {
	if len(d.seen) < maxDelivered {
		d.seen[d.key(op)]++
	}
}

// take reports whether op is the copy of a message counted: of one that was the
// only one of its kind, and whose copy was not taken yet.
func (d *delivered) take(op *wire.Op) bool {
	if !d.on.Load() {
		return false
	}
	key := d.key(op)
	if d.seen[key] != 1 {
		return false
	}
	d.seen[key] = 0
	return true
}

// move is the way from a lame duck to another server.
type move struct {
	cancel context.CancelFunc
	done   chan *conn // the other connection, subscribed; nil if there is none
}

// startMove seeks another server for c's subscriptions, after a wait as before
// any attempt: servers that all call themselves lame ducks are not to send us
// round and round. trouble is for how long no connection lasted before c.
func (l *Link) startMove(c *conn, trouble time.Duration) *move {
	ctx, cancel := context.WithCancel(l.ctx)
	m := &move{cancel, make(chan *conn, 1)}
	l.mu.Lock()
	servers := l.pool.others(c.server.address)
	wait := l.backoff.wait(trouble, 0, l.rng)
	l.mu.Unlock()
	// Owned by the supervisor, which receives from done. Ends with the last
	// attempt, at the latest with cancel.
	go func() {
		_ = pause(ctx, wait) // what follows finds out that ctx has ended
		m.done <- l.subscribeElsewhere(ctx, c, servers)
	}()
	return m
}

// subscribeElsewhere subscribes on the first of the servers that answers, which
// holds what it is delivered.
func (l *Link) subscribeElsewhere(ctx context.Context, c *conn, servers []server) *conn {
	for _, s := range servers {
		to, err := l.dial(ctx, s, false)
		if err != nil {
			continue
		}
		to.holder.on.Store(true)
		if !c.delivered.on.Load() {
			c.delivered.start()
		}
		if l.converse(ctx, to, l.restore(to, nil)) {
			return to
		}
	}
	return nil
}

// leave ends the subscriptions of a lame duck, and the connection when all it
// was handed is confirmed.
func (l *Link) leave(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == c {
		c.leaving = true
		c.askPing()
	}
}

// end gives a move up.
func (m *move) end() {
	if m != nil {
		m.cancel()
		(<-m.done).dismiss()
	}
}

// arrive makes the connection of a move deliver what it held, but for what the
// lame duck had delivered.
func (l *Link) arrive(to, from *conn) {
	var last lookup
	to.holder.release(func(op *wire.Op) {
		if !from.delivered.take(op) {
			to.deliver(op, &last)
		}
	})
}
