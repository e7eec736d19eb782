package link

import (
	"time"
)

// supervise is the supervisor: it waits for the loss of a connection, accounts
// for it and brings up another one, for ever. It ends with Close.
func (l *Link) supervise(c *conn) {
	defer l.end()
	attempt := 0
	for {
		up := time.Now()
		spare := l.attend(c)
		c.wg.Wait()
		unconfirmed := l.detach(c)
		if l.ctx.Err() != nil {
			spare.dismiss()
			return
		}
		l.events.emit(Event{Kind: EventLost, At: c.loss.At, Server: c.loss.Server, Loss: c.loss, Unconfirmed: unconfirmed})
		if l.backoff.restart(c.loss.At.Sub(up)) {
			attempt = 0
		}
		deafFrom, lost := c.deafFrom(), c.loss
		next, tries := l.takeOver(spare), 0
		if next == nil {
			next, tries = l.reconnect(attempt)
		}
		if next == nil {
			return
		}
		c, attempt = next, attempt+tries
		l.attach(c, Event{Kind: EventResumed, At: c.confirmedAt, Server: c.server.String(), Attempt: tries,
			DeafFrom: deafFrom, DeafTo: c.confirmedAt, Unconfirmed: unconfirmed, Loss: lost, PeerHeard: c.peerHeard()})
	}
}

// attend waits until c is given up or Close is called. While c is suspected it
// has a standby; the connection which that leaves is returned, or nil.
func (l *Link) attend(c *conn) *conn {
	var second *standby
	for {
		select {
		case <-c.gone:
			return second.leave()
		case <-l.ctx.Done():
			c.giveUp(&Loss{Cause: CauseUser, Err: ErrClosed})
			return second.leave()
		case suspected := <-c.doubt:
			second.leave().dismiss()
			second = nil
			if suspected && !l.cfg.NoStandby {
				second = l.seekOpinion(c)
			}
		}
	}
}

// reconnect tries until a server answers and returns the connection and the
// number of attempts it took, or nil after Close. attempt counts those that did
// not lead to a lasting connection before.
func (l *Link) reconnect(attempt int) (*conn, int) {
	var failed error
	var took time.Duration
	for tries := 1; ; tries++ {
		l.mu.Lock()
		s := l.pool.next()
		wait := l.backoff.wait(attempt+tries-1, l.pool.len(), took, l.rng)
		l.mu.Unlock()
		l.tellRetry(s, tries, wait, failed)
		if pause(l.ctx, wait) != nil {
			return nil, 0
		}
		start := time.Now()
		c, err := l.dial(l.ctx, s, true)
		if err == nil {
			return c, tries
		}
		if l.ctx.Err() != nil {
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
	if len(l.toldHello) > 0 {
		l.out.push(&chunk{buf: l.toldHello})
	}
	l.conn, l.hello, l.toldHello = c, nil, nil
	l.counters.connections.Add(1)
	if told.Kind == EventResumed {
		l.counters.reconnects++
		l.counters.deaf += told.Deaf()
	}
	l.pool.answered(c.server.address)
	l.takeInfo(c, c.info)
	l.last.Server, l.last.ServerName, l.last.ServerVersion = c.server.String(), c.info.ServerName, c.info.Version
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
// out of use. It returns what was handed to it and not confirmed. What was not
// handed to it, as far as it is messages, stays queued for the next one.
func (l *Link) detach(c *conn) Tally {
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
	if ch := c.inHand; ch != nil {
		ch.filter(c.written)
		c.ledger.takeBack(ch.tally)
		if len(ch.buf) > 0 {
			l.out.push(ch)
		}
	}
	interrupted := &InterruptedError{c.loss}
	for _, p := range c.ledger.waiting {
		tellPing(p.done, interrupted)
	}
	for _, p := range l.out.keepMessages() {
		tellPing(p.done, interrupted)
	}
	unconfirmed := c.ledger.unconfirmed()
	l.lost = l.lost.plus(unconfirmed)
	if !l.closing {
		l.setState(StateReconnecting, now)
	}
	return unconfirmed
}

// tellPing answers a Flush, if one waits.
func tellPing(done chan<- error, err error) {
	if done != nil {
		done <- err // has room for it
	}
}
