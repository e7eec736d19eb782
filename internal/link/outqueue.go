package link

import (
	"math"
	"slices"
	"time"

	"vigil/internal/wire"
)

// chunkSize bounds one write to the socket. A PING can cut in between two
// chunks, so it waits for at most this many bytes of ours.
const chunkSize = 256 << 10

// minFreeChunks is how many written chunks are kept for reuse at least, enough
// for the default out buffer and the chunk being written.
const minFreeChunks = 5

// chunk is a run of whole operations, written to the socket at once.
type chunk struct {
	buf   []byte
	tally Tally     // the messages within
	pings []ping    // the PINGs within, in order
	since time.Time // when the first of it began to wait for a connection, or earlier; zero while there is one
}

// ping is a PING on its way to the peer.
type ping struct {
	before Tally        // the messages before it in its chunk
	done   chan<- error // told when its PONG comes, or that none will; may be nil
}

func (c *chunk) reset() {
	c.buf, c.tally, c.since = c.buf[:0], Tally{}, time.Time{}
	clear(c.pings)
	c.pings = c.pings[:0]
}

// outQueue holds what is to be sent, in order. It knows no lock and no socket.
type outQueue struct {
	chunks []*chunk
	tally  Tally // the messages within
	size   int   // bytes within, of all operations
	free   []*chunk
	spare  int // how many more chunks than minFreeChunks are kept for reuse
}

// tail returns the chunk to which an operation of about n bytes is to be
// appended.
func (q *outQueue) tail(n int) *chunk {
	var since time.Time
	if k := len(q.chunks); k > 0 {
		c := q.chunks[k-1]
		if len(c.buf)+n <= chunkSize || len(c.buf) == 0 {
			return c
		}
		since = c.since
	}
	c := q.fresh()
	c.since = since
	q.chunks = append(q.chunks, c)
	return c
}

func (q *outQueue) fresh() *chunk {
	if k := len(q.free); k > 0 {
		c := q.free[k-1]
		q.free = q.free[:k-1]
		return c
	}
	return new(chunk)
}

// publish appends a message: a PUB, or an HPUB if there is a header block.
func (q *outQueue) publish(n int, subject, reply string, header, payload []byte) {
	c := q.tail(n)
	before := len(c.buf)
	if len(header) > 0 {
		c.buf = wire.AppendHPub(c.buf, subject, reply, header, payload)
	} else {
		c.buf = wire.AppendPub(c.buf, subject, reply, payload)
	}
	grown := len(c.buf) - before
	q.size += grown
	c.tally.Messages++
	c.tally.Bytes += int64(grown)
	q.tally.Messages++
	q.tally.Bytes += int64(grown)
}

// control appends other operations, already encoded.
func (q *outQueue) control(ops []byte) {
	c := q.tail(len(ops))
	c.buf = append(c.buf, ops...)
	q.size += len(ops)
}

// ping appends a PING.
func (q *outQueue) ping(done chan<- error) {
	c := q.tail(len(wire.PingLine))
	c.buf = append(c.buf, wire.PingLine...)
	c.pings = append(c.pings, ping{before: c.tally, done: done})
	q.size += len(wire.PingLine)
}

// pop takes the first chunk, nil if there is none.
func (q *outQueue) pop() *chunk {
	if len(q.chunks) == 0 {
		return nil
	}
	c := q.chunks[0]
	n := copy(q.chunks, q.chunks[1:])
	q.chunks[n] = nil
	q.chunks = q.chunks[:n]
	q.size -= len(c.buf)
	q.tally = q.tally.minus(c.tally)
	return c
}

// push puts a chunk back to the front.
func (q *outQueue) push(c *chunk) {
	q.chunks = append(q.chunks, nil)
	copy(q.chunks[1:], q.chunks)
	q.chunks[0] = c
	q.size += len(c.buf)
	q.tally = q.tally.plus(c.tally)
}

// recycle gives a written chunk back.
func (q *outQueue) recycle(c *chunk) {
	if len(q.free) < minFreeChunks+q.spare && cap(c.buf) <= 2*chunkSize {
		c.reset()
		q.free = append(q.free, c)
	}
}

// keepMessages drops all that is not a message: after a loss subscriptions are
// restored from the registry, and a PING has nobody to ask. It returns the
// PINGs dropped.
func (q *outQueue) keepMessages() []ping {
	var dropped []ping
	q.chunks = slices.DeleteFunc(q.chunks, func(c *chunk) bool {
		dropped = append(dropped, c.pings...)
		was := len(c.buf)
		c.filter(0)
		q.size -= was - len(c.buf)
		return len(c.buf) == 0
	})
	return dropped
}

// filter keeps of c the messages that end behind the first written bytes, and
// nothing else. A message of which only a part was written cannot have been
// understood, so it is kept whole.
func (c *chunk) filter(written int) {
	c.keep(func(end int) bool { return end > written })
}

// behind counts the messages that end behind the first written bytes.
func (c *chunk) behind(written int) (t Tally) {
	c.each(func(start, end int, _ *wire.Op) {
		if end > written {
			t.Messages++
			t.Bytes += int64(end - start)
		}
	})
	return t
}

// keep keeps the messages for which want, called with where each ends, says so,
// and nothing else.
func (c *chunk) keep(want func(end int) bool) {
	kept, tally := c.buf[:0], Tally{}
	c.each(func(start, end int, _ *wire.Op) {
		if want(end) {
			kept = append(kept, c.buf[start:end]...)
			tally.Messages++
			tally.Bytes += int64(end - start)
		}
	})
	c.buf, c.tally, c.pings = kept, tally, nil
}

// each calls f with every message and where it begins and ends. f may overwrite
// what lies before its end.
func (c *chunk) each(f func(start, end int, op *wire.Op)) {
	p := wire.Parser{MaxControlLine: math.MaxInt32, MaxPayload: math.MaxInt32}
	var op wire.Op
	for at, buf := 0, c.buf; at < len(buf); {
		n, err := p.Next(buf[at:], &op)
		if err != nil || n == 0 {
			break // cannot be: chunks hold whole operations
		}
		if op.Kind == wire.Pub || op.Kind == wire.HPub {
			f(at, at+n, &op)
		}
		at += n
	}
}

// wait notes that what is queued waits for a connection from now on.
func (q *outQueue) wait(now time.Time) {
	for _, c := range q.chunks {
		if c.since.IsZero() {
			c.since = now
		}
	}
}

// served notes that there is a connection.
func (q *outQueue) served() {
	for _, c := range q.chunks {
		c.since = time.Time{}
	}
}

// age makes a message that is queued while there is no connection go to a chunk
// that began to wait at now, or not long before.
func (q *outQueue) age(now time.Time, step time.Duration) {
	if k := len(q.chunks); k > 0 && now.Sub(q.chunks[k-1].since) <= step {
		return
	}
	c := q.fresh()
	c.since = now
	q.chunks = append(q.chunks, c)
}

// dropWhile drops chunks from the front as long as old says so, and returns the
// messages dropped.
func (q *outQueue) dropWhile(old func(*chunk) bool) (dropped Tally) {
	var pings []ping
	for len(q.chunks) > 0 && old(q.chunks[0]) {
		c := q.pop()
		dropped = dropped.plus(c.tally)
		pings = append(pings, c.pings...)
		q.recycle(c)
	}
	q.pingAgain(pings)
	return dropped
}

// pingAgain appends the PINGs that stood among what was dropped.
func (q *outQueue) pingAgain(pings []ping) {
	for _, p := range pings {
		q.ping(p.done)
	}
}

// dropMessages drops the messages for which unfit says so. It is called while
// nothing but messages and PINGs is queued.
func (q *outQueue) dropMessages(unfit func(op *wire.Op) bool) (dropped Tally) {
	var pings []ping
	for _, c := range q.chunks {
		bad := make(map[int]bool)
		c.each(func(_, end int, op *wire.Op) {
			if unfit(op) {
				bad[end] = true
			}
		})
		if len(bad) == 0 {
			continue
		}
		was, tally := len(c.buf), c.tally
		pings = append(pings, c.pings...)
		c.keep(func(end int) bool { return !bad[end] })
		q.size -= was - len(c.buf)
		q.tally = q.tally.minus(tally).plus(c.tally)
		dropped = dropped.plus(tally).minus(c.tally)
	}
	q.pingAgain(pings)
	return dropped
}
