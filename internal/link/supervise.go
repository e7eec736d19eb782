package link

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// supervise is the supervisor: it waits for the loss of a connection, accounts
// for it and brings up another one. It ends when the end of the link has begun.
func (l *Link) supervise(c *conn) {
	defer l.end()
	trouble := l.base // since when there is no connection that lasted
	for {
		up := time.Now()
		spare, moved := l.attend(c, trouble)
		c.wg.Wait()
		unconfirmed, atRisk, closing := l.detach(c)
		if closing {
			spare.dismiss()
			return
		}
		l.events.emit(Event{Kind: EventLost, At: c.loss.At, Server: c.loss.Server, Loss: c.loss, Unconfirmed: unconfirmed, AtRisk: atRisk})
		if l.backoff.restart(c.loss.At.Sub(up)) {
			trouble = c.loss.At
		}
		lost, deafFrom := c, c.deafFrom()
		next, deafTo := l.succeed(spare, moved)
		tries := 0
		if next == nil {
			if moved { // it has died as well, and what it held is all there is since the UNSUBs
				l.arrive(spare, lost)
				deafFrom = spare.lastHeard()
			}
			moved = false
			if next, tries = l.reconnect(trouble); next == nil {
				return
			}
			deafTo = next.confirmedAt
		}
		switch {
		case moved && lost.loss.Cause != CauseLameDuck: // no PONG says that all it had for us is in
			deafFrom, deafTo = earliest(deafFrom, deafTo, lost.provenAt()), lost.loss.At
		case deafTo.Before(deafFrom): // subscribed before the other was left
			deafFrom = deafTo
		}
		c = next
		l.attach(c, Event{Kind: EventResumed, At: c.confirmedAt, Server: c.server.String(), Attempt: tries,
			DeafFrom: deafFrom, DeafTo: deafTo, Unconfirmed: unconfirmed, Loss: lost.loss, PeerHeard: c.peerHeard()})
		if moved {
			l.arrive(c, lost)
		}
	}
}

// provenAt returns until when all that the broker delivered on a connection is
// known to be in: it came before the last PONG. The connection has been given up.
func (c *conn) provenAt() time.Time {
	if c.ledger.reached.IsZero() {
		return c.confirmedAt
	}
	return c.ledger.reached
}

func earliest(t time.Time, others ...time.Time) time.Time {
	for _, o := range others {
		if o.Before(t) {
			t = o
		}
	}
	return t
}

// succeed makes the connection at hand the one to use, and returns it and since
// when its subscriptions are in effect; nil if there is none or it has died as
// well. One that has been moved to is asked once more whether all that came
// until now is in.
func (l *Link) succeed(spare *conn, moved bool) (*conn, time.Time) {
	if !moved {
		if spare = l.takeOver(spare); spare == nil {
			return nil, time.Time{}
		}
		return spare, spare.confirmedAt
	}
	since := spare.confirmedAt
	if !l.converse(l.ctx, spare, nil) {
		return nil, time.Time{}
	}
	return spare, since
}

// attend waits until c is given up or Close is called. While c is suspected it
// has a standby, and when it turns out a lame duck it is left for another. The
// connection at hand afterwards is returned, or nil, and whether it has moved:
// whether the subscriptions are in effect on it. trouble is since when there was
// no connection that lasted before c.
func (l *Link) attend(c *conn, trouble time.Time) (next *conn, moved bool) {
	var second *standby
	var away *move
	var elsewhere chan *conn // of away, until it was received from
	var leaving patience     // with c, since it was left
	for {
		select {
		case <-c.gone:
		case <-l.ctx.Done():
			c.giveUp(&Loss{Cause: CauseUser, Err: ErrClosed})
		case suspected := <-c.doubt:
			second.leave().dismiss()
			second = nil
			if suspected && !l.cfg.NoStandby {
				second = l.seekOpinion(c)
			}
			continue
		case <-c.ducked:
			if l.backoff.restart(time.Since(c.confirmedAt)) {
				trouble = c.confirmedAt
			}
			away = l.startMove(c, c.confirmedAt.Sub(trouble))
			elsewhere = away.done
			continue
		case next = <-elsewhere:
			away, elsewhere = nil, nil
			if next != nil {
				l.leave(c)
				leaving.begin(l.cfg.AttemptTimeout, l.counters.inMessages.Load())
			}
			continue
		case <-leaving.over:
			if leaving.extend(l.counters.inMessages.Load(), c.busy.Load()) {
				continue
			}
			c.giveUp(&Loss{Cause: CauseTimeout, Err: fmt.Errorf("a lame duck, told that it is left, and no PONG for %s", seconds(time.Since(leaving.began)))})
		}
		break
	}
	spare := second.leave()
	if next == nil {
		next = away.end()
	}
	if next == nil {
		return spare, false
	}
	spare.dismiss()
	return next, true
}

// patience is that with a lame duck which was told that it is left: until its PONG
// comes nothing is sent. What it had for us comes before that, and may take its
// time.
type patience struct {
	over  <-chan time.Time
	span  time.Duration
	began time.Time
	heard int64 // messages, in all
}

// maxLeaving bounds it, however much still comes: what is published waits, and the
// connection that was moved to answers no PING until it is the one in use. Vigil's
// own broker gives such a client up after 30 s.
const maxLeaving = 20 * time.Second

func (p *patience) begin(span time.Duration, heard int64) {
	p.span, p.began, p.heard = span, time.Now(), heard
	p.over = time.After(span)
}

// extend goes on being patient if messages came meanwhile, or the reader is busy
// with what came.
func (p *patience) extend(heard int64, busy bool) bool {
	if heard == p.heard && !busy || time.Since(p.began) >= maxLeaving {
		return false
	}
	p.heard, p.over = heard, time.After(p.span)
	return true
}

// reconnect tries until a server answers and returns the connection and the
// number of attempts it took, or nil when the end has begun. since is when the
// trouble began.
func (l *Link) reconnect(since time.Time) (*conn, int) {
	ctx, cancel := l.ctx, context.CancelFunc(func() {})
	if l.cfg.GiveUpAfter > 0 {
		ctx, cancel = context.WithTimeout(l.ctx, l.cfg.GiveUpAfter)
	}
	defer cancel()
	var failed error
	var took time.Duration
	for tries := 1; ; tries++ {
		l.mu.Lock()
		s := l.pool.next()
		wait := l.backoff.wait(time.Since(since), took, l.rng)
		l.expire(time.Now())
		l.mu.Unlock()
		l.tellRetry(s, tries, wait, failed)
		if pause(ctx, wait) != nil {
			l.shut(&GaveUpError{After: l.cfg.GiveUpAfter, Attempts: tries - 1, Last: failed})
			return nil, 0
		}
		start := time.Now()
		c, err := l.dial(ctx, s, true)
		if err == nil {
			return c, tries
		}
		if ctx.Err() != nil {
			if failed == nil {
				failed = err
			}
			l.shut(&GaveUpError{After: l.cfg.GiveUpAfter, Attempts: tries, Last: failed})
			return nil, 0
		}
		failed, took = err, time.Since(start)
		l.mu.Lock()
		l.pool.failed(s.address)
		l.mu.Unlock()
	}
}

// attach makes a greeted connection the one in use, tells so, and starts its
// writer and watcher. What was done to the subscriptions since the greeting
// goes first, then what was published meanwhile.
func (l *Link) attach(c *conn, told Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takeInfo(c, c.info)
	l.expire(c.confirmedAt)
	l.dropUnfit(c.confirmedAt)
	l.out.served()
	if len(l.toldHello) > 0 {
		l.out.push(&chunk{buf: l.toldHello})
	}
	l.conn, l.hello, l.toldHello = c, nil, nil
	l.routed.lost = 0
	l.counters.connections.Add(1)
	if told.Kind == EventResumed {
		l.counters.reconnects++
		l.counters.deaf += told.Deaf()
	}
	l.pool.answered(c.server.address)
	l.last.Server, l.last.ServerName, l.last.ServerVersion = c.server.String(), c.info.ServerName, c.info.Version
	l.last.TLS = c.tlsVersion
	l.last.Attempt, l.last.Next = 0, time.Time{}
	l.setState(StateConnected, c.confirmedAt)
	// Before the watcher can say anything of it. The hub never waits.
	l.events.emit(told)
	// Both owned by the connection. Ended by giveUp; the supervisor waits for
	// them with wg.
	c.wg.Go(c.write)
	c.wg.Go(c.watch)
}

// detach takes a connection that was given up, and whose goroutines have ended,
// out of use. It returns what was handed to it and not confirmed, and these
// messages as far as they were kept. What was not handed to it, as far as it is
// messages, stays queued for the next one; with Resend, all that is not
// confirmed does. closing says that the end has begun, which has told that instead.
func (l *Link) detach(c *conn) (lost Tally, atRisk []Message, closing bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.conn = nil
	l.remember(c)
	l.pool.lost(c.server.address)
	if !l.closing {
		l.counters.losses.Add(1)
	}
	l.last.Loss, l.last.LastHeard, l.last.RTT = c.loss, c.lastHeard(), c.ledger.rtt
	unconfirmed := c.ledger.unconfirmed()
	if l.cfg.Resend {
		if c.inHand != nil {
			unconfirmed = unconfirmed.minus(c.inHand.behind(c.written))
		}
		for _, ch := range slices.Backward(c.kept.again(c.ledger.confirmed)) {
			l.out.push(ch)
		}
	} else {
		atRisk = c.kept.unconfirmed(c.ledger.confirmed, c.inHand, c.written)
		if ch := c.inHand; ch != nil {
			ch.filter(c.written)
			c.ledger.takeBack(ch.tally)
			l.out.push(ch)
		}
		unconfirmed = c.ledger.unconfirmed()
		l.lost = l.lost.plus(unconfirmed)
	}
	var interrupted error = &InterruptedError{c.loss}
	if l.closing {
		interrupted = l.closed()
	}
	for _, p := range c.ledger.waiting {
		tellPing(p.done, interrupted)
	}
	for _, p := range l.out.keepMessages() {
		if c.loss.Cause == CauseLameDuck && !l.closing {
			l.out.ping(p.done) // all before it was confirmed, so the next one can
			continue
		}
		tellPing(p.done, interrupted)
	}
	l.out.wait(now)
	if !l.closing {
		l.setState(StateReconnecting, now)
	}
	return unconfirmed, atRisk, l.closing
}

// tellPing answers a Flush, if one waits.
func tellPing(done chan<- error, err error) {
	if done != nil {
		done <- err // has room for it
	}
}
