package link

import (
	"time"

	"vigil/internal/wire"
)

// write is the writer: it takes what is queued and writes it, holding no lock.
// It ends when the connection is given up.
func (c *conn) write() {
	for c.take() {
		if len(c.front) > 0 {
			if _, err := c.stream.Write(c.front); err != nil {
				c.failWrite(err)
				return
			}
		}
		if c.inHand == nil {
			continue
		}
		n, err := c.stream.Write(c.inHand.buf)
		if err != nil {
			c.written = n
			c.failWrite(err)
			return
		}
	}
}

// readerKnows is how long a failed write waits for the reader to say why: the
// broker may have told before it closed.
const readerKnows = 50 * time.Millisecond

// failWrite gives the connection up because a write failed.
func (c *conn) failWrite(err error) {
	timer := time.NewTimer(readerKnows)
	defer timer.Stop()
	select {
	case <-c.gone:
	case <-timer.C:
		c.fail(err)
	}
}

// take waits for something to write: the PINGs and PONGs for the front, and the
// next chunk. What was in hand before has been written. False means that the
// connection was given up.
func (c *conn) take() bool {
	l := c.link
	for {
		l.mu.Lock()
		c.putDown()
		if l.conn != c { // given up, and the queue is no longer ours
			l.mu.Unlock()
			return false
		}
		c.takeFront()
		if !c.leaving {
			c.takeChunk()
		}
		if len(c.front) > 0 || c.inHand != nil {
			l.mu.Unlock()
			return true
		}
		c.writerIdle = true
		l.mu.Unlock()
		select {
		case <-c.wake:
		case <-c.gone:
			return false
		}
	}
}

// putDown is done with the chunk in hand, which was written. mu is held.
func (c *conn) putDown() {
	l, done := c.link, c.inHand
	c.inHand = nil
	switch {
	case done == nil:
	case c.kept.limit == 0 || len(c.kept.chunks) == 0 || c.kept.chunks[len(c.kept.chunks)-1] != done:
		l.out.recycle(done)
	default:
		l.letGo(c.kept.confirm(c.ledger.confirmed, nil))
		if !l.cfg.Resend {
			l.letGo(c.kept.fit(nil))
		}
	}
}

// takeFront makes the operations that go before the next chunk. mu is held.
func (c *conn) takeFront() {
	c.front = c.front[:0]
	for ; c.owedPongs > 0; c.owedPongs-- {
		c.front = append(c.front, wire.PongLine...)
	}
	if c.leaving && !c.unsubbed {
		c.unsubbed = true
		c.front = c.link.subs.appendEnd(c.front)
	}
	if c.wantPing {
		c.wantPing = false
		now := time.Now()
		c.front = c.appendProbe(c.front, now)
		c.ledger.ping(now, nil)
	}
	if c.wantRouted && !c.leaving { // behind the UNSUBs it would not come back
		c.wantRouted = false
		c.front = c.appendRouted(c.front, time.Now())
	}
}

// takeChunk takes the next chunk, with a PING at its end when too much would be
// unconfirmed. mu is held.
func (c *conn) takeChunk() {
	l := c.link
	ch := l.out.pop()
	if ch == nil {
		return
	}
	now := time.Now()
	c.ledger.chunk(now, ch)
	if c.ledger.unasked().Bytes >= l.askAfter() {
		ch.buf = append(ch.buf, wire.PingLine...)
		c.ledger.ping(now, nil)
	}
	c.inHand, c.written = ch, 0
	if ch.tally.Messages > 0 {
		c.kept.add(ch)
	}
	l.broadcast() // there is room again
}

// askPing makes the writer put a PING before the next chunk. mu is held.
func (c *conn) askPing() {
	c.wantPing = true
	c.link.wakeWriter()
}
