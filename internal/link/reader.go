package link

import (
	"bytes"
	"strings"
	"time"

	"vigil/internal/wire"
)

// read is the reader: it reads and acts on what came. It ends when the
// connection is given up.
func (c *conn) read() {
	var last lookup
	for {
		if err := c.handleAll(&last); err != nil {
			c.giveUp(&Loss{Cause: CauseProtocol, Err: err})
			return
		}
		c.busy.Store(false)
		room, began := c.in.room(), time.Now()
		n, err := c.stream.Read(room)
		if n > 0 {
			c.in.got(n)
			c.busy.Store(true)
			c.lastCame = c.arrival.read(began, c.lastHeard(), n == len(room))
			c.link.counters.inBytes.Add(int64(n))
			continue
		}
		if err != nil {
			if c.lastErr != "" {
				c.giveUp(c.refused(c.lastErr, err))
			}
			c.fail(err)
			return
		}
	}
}

// token puts a token into a channel that holds one, unless it is there.
func token(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// handleAll acts on every complete operation that came.
func (c *conn) handleAll(last *lookup) error {
	op := &c.in.op
	messages := int64(0) // that AfterRead does not know of
	handedOver := func() {
		last.settle()
		if messages > 0 {
			c.link.counters.inMessages.Add(messages)
			messages = 0
			c.link.cfg.AfterRead()
		}
	}
	defer handedOver()
	for {
		ok, err := c.in.next(op)
		if !ok {
			return err
		}
		switch op.Kind {
		case wire.Msg, wire.HMsg:
			held, err := c.holder.hold(op)
			if err != nil {
				return err
			}
			if !held && c.message(op, last) {
				messages++
			}
		case wire.Ping:
			c.owePong()
			c.toldUnheard(op.Arg, time.Now())
		case wire.Pong:
			handedOver() // whoever flushed may count on what came before
			c.pong()
		case wire.Info:
			if err := c.laterInfo(op.Arg); err != nil {
				return err
			}
		case wire.Err:
			c.serverError(string(bytes.Trim(op.Arg, "' ")))
		}
	}
}

// lookup remembers the subscription found last: most messages are for the same
// one as the message before.
type lookup struct {
	sub   *subscription
	sid   []byte
	moved int64 // counters.subsMoved when it was found
	run   int64 // messages handed to it that it has not counted
}

// settle lets the subscription count what it was handed.
func (l *lookup) settle() {
	if l.run > 0 {
		l.sub.delivered.Add(l.run)
		l.run = 0
	}
}

// message delivers a message, and counts it while another connection may get a
// copy. What a broker delivers unasked on a connection beside the one in use
// must not come between what that one delivers: then it returns false.
func (c *conn) message(op *wire.Op, last *lookup) bool {
	if c.bare.Load() {
		c.link.counters.unknown.Add(1)
		return false
	}
	if phase := c.delivered.phase.Load(); phase > 0 {
		c.delivered.count(phase, op)
	}
	c.deliver(op, last)
	return true
}

// deliver hands a message to its subscription.
func (c *conn) deliver(op *wire.Op, last *lookup) {
	l := c.link
	if moved := l.counters.subsMoved.Load(); last.sub == nil || moved != last.moved || !bytes.Equal(op.SID, last.sid) {
		last.settle()
		l.mu.Lock()
		last.sub = l.subs.bySID[string(op.SID)]
		l.mu.Unlock()
		last.sid, last.moved = append(last.sid[:0], op.SID...), moved
	}
	s := last.sub
	if s == nil {
		l.counters.unknown.Add(1)
		return
	}
	last.run++
	s.handler(op)
	if s.limited.Load() {
		last.settle()
		l.endIfDelivered(s, s.delivered.Load())
	}
}

// endIfDelivered drops a subscription that has got all it wanted.
func (l *Link) endIfDelivered(s *subscription, delivered int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if delivered >= s.max {
		l.dropSubscription(s.sid)
	}
}

// owePong asks the writer to answer a PING.
func (c *conn) owePong() {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.owedPongs < maxOwedPongs {
		c.owedPongs++
	}
	l.wakeWriter()
}

// pong takes the answer to the oldest PING.
func (c *conn) pong() {
	l := c.link
	l.mu.Lock()
	ping := c.ledger.pong(c.lastHeard())
	l.letGo(c.kept.confirm(c.ledger.confirmed, c.inHand))
	l.askForRoom()
	var loss *Loss
	if ping.routed > 0 {
		loss = l.routed.answered(ping.routed)
	}
	left := c.leaving && !c.wantPing && len(c.ledger.waiting) == 0
	l.mu.Unlock()
	tellPing(ping.done, nil)
	if loss != nil {
		c.giveUp(loss)
	}
	if left {
		c.giveUp(&Loss{Cause: CauseLameDuck})
	}
}

// laterInfo acts on an INFO that is not the first: the addresses of other
// brokers, a new limit, the announcement of the end, upon which the supervisor
// moves to another broker.
func (c *conn) laterInfo(arg []byte) error {
	info, err := wire.ParseInfo(arg)
	if err != nil {
		return err
	}
	l := c.link
	l.mu.Lock()
	c.toldWasHeard(info.WasHeard, time.Now())
	if !l.uses(c) { // a standby's, for the time when it takes over
		c.info = info
		l.mu.Unlock()
		if info.LameDuck {
			c.giveUp(&Loss{Cause: CauseLameDuck})
		}
		return nil
	}
	l.takeInfo(c, info)
	first := info.LameDuck && !c.lameDuck
	l.mu.Unlock()
	if first {
		c.lameDuck = true
		token(c.ducked)
		l.events.emit(Event{Kind: EventLameDuck, At: time.Now(), Server: c.server.String()})
	}
	return nil
}

// uses reports whether c is the connection in use, or greeted to become it, and
// not a standby. mu is held.
func (l *Link) uses(c *conn) bool { return l.conn == c || l.hello == c }

// takeInfo notes what a broker tells of itself on c. mu is held.
func (l *Link) takeInfo(c *conn, info *wire.InfoLine) {
	if info.MaxPayload != 0 {
		l.maxPayload = max(info.MaxPayload, 0)
	}
	l.headers = info.Headers
	l.pool.discover(info.ConnectURLs, c.server.address, l.rng)
}

// serverError acts on an -ERR. After most of them the broker closes; then the
// text is the cause.
func (c *conn) serverError(text string) {
	l := c.link
	l.mu.Lock()
	ours := l.uses(c)
	l.mu.Unlock()
	if !ours {
		c.lastErr = text
		return
	}
	l.counters.serverErrors.Add(1)
	if endsConnection(text) {
		c.lastErr = text
	}
	if c.errorEvents++; c.errorEvents <= maxErrorEvents {
		l.events.emit(Event{Kind: EventServerError, At: time.Now(), Server: c.server.String(), Err: &ServerError{text}})
	}
}

// endsConnection reports whether a broker closes the connection after this
// -ERR. Those after which it does not are about one operation.
func endsConnection(text string) bool {
	text = strings.ToLower(text)
	return !strings.HasPrefix(text, "permissions violation") &&
		!strings.HasPrefix(text, "maximum subscriptions exceeded") &&
		!strings.HasPrefix(text, "invalid subject") &&
		!strings.HasPrefix(text, "invalid publish subject")
}
