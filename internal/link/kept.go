package link

import (
	"time"

	"vigil/internal/wire"
)

// Message is a published message.
type Message struct {
	Subject string
	Reply   string      // the subject for an answer, empty if none is expected
	Header  wire.Header // nil when there is none
	Data    []byte
}

// kept holds the chunks that were handed to a connection until a PONG has
// confirmed them, so that after a loss they can be told or sent again. It knows
// no lock.
type kept struct {
	limit  int // in bytes; 0 keeps nothing
	chunks []*chunk
	size   int   // bytes within
	before Tally // handed before the first of them
}

// add keeps a chunk that was just taken from the queue.
func (k *kept) add(c *chunk) {
	if k.limit > 0 {
		k.chunks = append(k.chunks, c)
		k.size += len(c.buf)
	}
}

// confirm lets go of the chunks of which every message is confirmed, and
// returns them. The one being written stays.
func (k *kept) confirm(confirmed Tally, inHand *chunk) []*chunk {
	n := 0
	for n < len(k.chunks) && k.chunks[n] != inHand &&
		k.before.plus(k.chunks[n].tally).Messages <= confirmed.Messages {
		k.forget(k.chunks[n])
		n++
	}
	return k.cut(n)
}

// fit lets go of the oldest chunks until what is left is within the limit, and
// returns them. The one being written stays.
func (k *kept) fit(inHand *chunk) []*chunk {
	n := 0
	for n < len(k.chunks) && k.chunks[n] != inHand && k.size > k.limit {
		k.forget(k.chunks[n])
		n++
	}
	return k.cut(n)
}

func (k *kept) forget(c *chunk) {
	k.before = k.before.plus(c.tally)
	k.size -= len(c.buf)
}

func (k *kept) cut(n int) []*chunk {
	gone := k.chunks[:n:n]
	k.chunks = k.chunks[n:]
	return gone
}

// unconfirmed returns the messages kept that are not confirmed. Of the chunk
// being written those count whose last byte was.
func (k *kept) unconfirmed(confirmed Tally, inHand *chunk, written int) []Message {
	skip := confirmed.Messages - k.before.Messages
	var messages []Message
	for _, c := range k.chunks {
		c.each(func(_, end int, op *wire.Op) {
			if skip--; skip < 0 && (c != inHand || end <= written) {
				messages = append(messages, messageOf(op))
			}
		})
	}
	return messages
}

// again returns chunks with the messages kept that are not confirmed, whatever
// of the one being written was.
func (k *kept) again(confirmed Tally) []*chunk {
	skip := confirmed.Messages - k.before.Messages
	for _, c := range k.chunks {
		c.keep(func(int) bool { skip--; return skip < 0 })
	}
	return k.cut(len(k.chunks))
}

func messageOf(op *wire.Op) Message {
	m := Message{Subject: string(op.Subject), Reply: string(op.Reply), Data: append([]byte(nil), op.Payload()...)}
	if op.HeaderLen > 0 {
		m.Header, _, _ = wire.ParseHeader(op.Header()) // we encoded it ourselves
	}
	return m
}

// letGo gives chunks back for reuse. mu is held.
func (l *Link) letGo(chunks []*chunk) {
	for _, c := range chunks {
		l.out.recycle(c)
	}
	if len(chunks) > 0 {
		l.broadcast() // there is room again
	}
}

// askAfter is how many bytes may be handed to the socket before the writer asks
// for a confirmation by itself. The watcher asks after the heartbeat's Idle.
func (l *Link) askAfter() int64 {
	if l.cfg.KeepUnconfirmed > 0 {
		return min(maxUnasked, int64(l.cfg.KeepUnconfirmed)/4)
	}
	return maxUnasked
}

const maxUnasked = 1 << 20

// askForRoom asks for a confirmation at once when somebody waits for room that
// nothing else makes. mu is held.
func (l *Link) askForRoom() {
	c := l.conn
	if l.cfg.Resend && l.changed != nil && c != nil && c.ledger.oldest().IsZero() && c.ledger.unasked().Messages > 0 {
		c.askPing()
	}
}

// expire drops what has been waiting for a connection for longer than AwayAge,
// and tells so. It is called before each attempt, before another message is
// taken, and before anything is sent. Chunks go whole: a message is dropped up to
// an eighth of AwayAge late, never early. mu is held.
func (l *Link) expire(now time.Time) {
	age := l.cfg.AwayAge
	if age <= 0 {
		return
	}
	dropped := l.out.dropWhile(func(c *chunk) bool {
		return !c.since.IsZero() && now.Sub(c.since) > age+age/agingSteps
	})
	l.out.wait(now) // PINGs that were among them
	l.tellDropped(dropped, now, ErrTooOld)
}

// dropUnfit drops what was taken for another broker and this one does not take:
// it would end the connection. mu is held.
func (l *Link) dropUnfit(now time.Time) {
	if !l.headers {
		l.tellDropped(l.out.dropMessages(func(op *wire.Op) bool { return op.Kind == wire.HPub }), now, ErrNoHeaders)
	}
	if l.maxPayload <= 0 {
		return
	}
	largest := int64(0)
	dropped := l.out.dropMessages(func(op *wire.Op) bool {
		size := int64(len(op.Frame) - len("\r\n"))
		if size > l.maxPayload {
			largest = max(largest, size)
			return true
		}
		return false
	})
	l.tellDropped(dropped, now, &PayloadError{largest, l.maxPayload})
}

// tellDropped counts and emits what was taken and will not be sent. mu is held.
func (l *Link) tellDropped(dropped Tally, now time.Time, why error) {
	if dropped.Messages == 0 {
		return
	}
	l.dropped = l.dropped.plus(dropped)
	l.events.emit(Event{Kind: EventDropped, At: now, Server: l.last.Server, Dropped: dropped, Err: why})
	l.broadcast()
}
