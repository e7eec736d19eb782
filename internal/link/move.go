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
// another server first, and for a while both have them, since the PONG says that
// this server knows of them, and not that the others of its cluster do. Then they
// are ended on the lame duck, and only when all that it had delivered is in does
// the other connection deliver.
//
//	the lame duck       ──messages────────────────────── UNSUB, PING ─ PONG
//	                                  │ overlap │                        │
//	the other server    ─ SUB, PING ─ PONG (held …)                    PING ─ PONG (delivered)
//
// In a cluster what is published while both are subscribed comes twice. So of
// what was held, as many messages are passed over as the lame duck delivered
// that are equal to the byte: since the PONG, and for what came in the first half
// of the overlap, since before it. A copy that comes behind the last PONG, or later
// than half of the overlap after its like, is delivered twice. Queue groups have no
// copies; but what a route carries to the lame duck for a member that has just
// been ended there, nats-server passes over, and no client can help that.

// holder keeps what a connection is delivered until it may deliver.
type holder struct {
	on   atomic.Bool // holds
	mu   sync.Mutex
	held []heldMessage // guarded by mu
	size int           // bytes within; guarded by mu
	soon int           // so many came in the first half of the overlap; guarded by mu
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

// half notes that half of the overlap is over.
func (h *holder) half() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.soon = len(h.held)
}

// release hands over what was held, in order, with whether it came in the first
// half of the overlap, calls handedOver, and lets the connection deliver from now
// on.
func (h *holder) release(deliver func(op *wire.Op, soon bool), handedOver func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.held {
		deliver(&h.held[i].op, i < h.soon)
	}
	handedOver()
	h.held, h.size = nil, 0
	h.on.Store(false)
}

// overlap is how long both servers have the subscriptions: what news of them
// takes through a cluster, and to spare. By default a lame duck waits for ten
// seconds before it sends the first client away.
const overlap = 250 * time.Millisecond

// delivered counts the messages that a connection delivered, by what they are.
type delivered struct {
	phase atomic.Int32 // the map that counts, from 1; 0 for none
	seed  maphash.Seed
	// seen are those since before the other server was dialled, and since the
	// PONG behind the SUBs. Owned by the reader, then by whoever waited for its end.
	seen [2]map[uint64]int
}

// maxDelivered bounds the kinds of messages counted. Those beyond it may come
// twice.
const maxDelivered = 1 << 18

// start begins to count.
func (d *delivered) start() {
	d.seed = maphash.MakeSeed()
	d.seen[0], d.seen[1] = make(map[uint64]int), make(map[uint64]int)
	d.phase.Store(1)
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
func (d *delivered) count(phase int32, op *wire.Op) {
	if seen := d.seen[phase-1]; len(seen) < maxDelivered {
		seen[d.key(op)]++
	}
}

// take reports whether op is the copy of a message counted, and counts that one
// no more. soon says that the message itself may have been delivered before the
// PONG.
func (d *delivered) take(op *wire.Op, soon bool) bool {
	if d.phase.Load() == 0 {
		return false
	}
	key := d.key(op)
	for _, seen := range []map[uint64]int{d.seen[1], d.seen[0]} {
		if seen[key] > 0 {
			seen[key]--
			return true
		}
		if !soon {
			break
		}
	}
	return false
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
// holds what it is delivered, and lets the overlap pass.
func (l *Link) subscribeElsewhere(ctx context.Context, c *conn, servers []server) *conn {
	c.delivered.start()
	for _, s := range servers {
		to, err := l.dial(ctx, s, false)
		if err != nil {
			continue
		}
		to.holder.on.Store(true)
		if !l.converse(ctx, to, l.restore(to, nil)) {
			continue
		}
		c.delivered.phase.Store(2)
		if pause(ctx, overlap/2) == nil {
			to.holder.half()
			_ = pause(ctx, overlap/2)
		}
		if l.catchUp(to) {
			return to
		}
		to.dismiss()
		l.forgetHello()
		break // better a lame duck than none
	}
	c.delivered.phase.Store(0)
	return nil
}

// catchUp tells the other server what was done to the subscriptions since it was
// told of them, so that none that a Flush has confirmed is without a server. It
// reports whether that server lives. The other servers of a cluster may learn of
// these subscriptions only after they were ended on the lame duck.
func (l *Link) catchUp(to *conn) bool {
	for range maxCatchUps {
		l.mu.Lock()
		words := l.toldHello
		l.toldHello = nil
		l.mu.Unlock()
		if len(words) == 0 {
			break
		}
		if !l.converse(l.ctx, to, words) {
			return false
		}
	}
	return !to.isGone()
}

// maxCatchUps bounds the round trips for that: some subscribe all the time.
const maxCatchUps = 4

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

// end ends a move and returns the connection that is subscribed already, nil if
// none is or there is no move.
func (m *move) end() *conn {
	if m == nil {
		return nil
	}
	m.cancel()
	return <-m.done
}

// arrive makes the connection of a move deliver what it held, but for what the
// lame duck had delivered.
func (l *Link) arrive(to, from *conn) {
	var last lookup
	messages := int64(0)
	to.holder.release(func(op *wire.Op, soon bool) {
		if l.inQueueGroup(op.SID) || !from.delivered.take(op, soon) {
			messages++
			to.deliver(op, &last)
		}
	}, func() {
		last.settle()
		if messages > 0 {
			l.counters.inMessages.Add(messages)
			l.cfg.AfterRead()
		}
	})
}

func (l *Link) inQueueGroup(sid []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.subs.bySID[string(sid)]
	return s != nil && s.queue != ""
}
