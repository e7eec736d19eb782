package link

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"vigil/internal/wire"
)

// version is what CONNECT tells of this client.
const version = "0.1.0"

// dial makes one attempt at a server: the transport, INFO, TLS, then CONNECT, every
// subscription if so wanted, and a PING, whose PONG says that they are in
// effect. The reader runs when it returns a connection; the writer and the
// watcher do not yet. The error is a *Loss.
func (l *Link) dial(ctx context.Context, s server, subscribe bool) (*conn, error) {
	attempt, cancel := context.WithTimeout(ctx, l.cfg.AttemptTimeout)
	defer cancel()
	nc, err := l.open(attempt, s.address)
	if err != nil {
		loss := &Loss{Cause: causeOf(err), Server: s.String(), At: time.Now(), Err: err}
		if attempt.Err() != nil {
			loss = l.overdue(ctx, "the address does not answer")
			loss.Server = s.String()
		}
		return nil, loss
	}
	c := newConn(l, nc, s)
	stage := ""
	// Owned by this attempt. Ends at once, having closed the socket, or is
	// never started; stop says which, and gone then waits for it.
	stop := context.AfterFunc(attempt, func() { c.giveUp(l.overdue(ctx, "")) })
	var greeting []byte
	if l.cfg.TLSFirst && c.tls == nil {
		stage = "connected, but the TLS handshake did not end"
		err = c.handshake()
	}
	if err == nil {
		stage = "connected, but no INFO came"
		if l.mayWantTLSFirst() {
			stage += ", as with a broker that wants TLS first,"
		}
		if err = c.awaitInfo(); err != nil && l.mayWantTLSFirst() {
			err = &endBeforeInfo{err}
		}
	}
	if err == nil {
		stage = "INFO came, but the TLS handshake did not end"
		err = l.encrypt(c)
	}
	if err == nil {
		stage = "INFO came, but the credentials were not at hand"
		greeting, err = l.introduce(attempt, c)
	}
	if err == nil {
		stage = "INFO came, but no PONG"
		c.bare.Store(true)
		if subscribe {
			greeting = l.restore(c, greeting)
		}
		// Owned by the connection. Ended by giveUp, which closes the socket;
		// waited for with wg by whoever made or got the connection.
		c.wg.Go(c.read)
		err = c.greet(greeting)
	}
	if !stop() {
		<-c.gone
	}
	if err == nil && !c.isGone() {
		c.noteTLS()
		return c, nil
	}
	c.fail(err) // if nobody did before
	c.wg.Wait()
	if subscribe {
		l.forgetHello()
	}
	if c.loss.Cause == CauseTimeout && ctx.Err() == nil {
		c.loss.Err = fmt.Errorf("%s within %s", stage, seconds(l.cfg.AttemptTimeout))
	}
	return nil, c.loss
}

// overdue is why an attempt was given up whose time is over.
func (l *Link) overdue(ctx context.Context, stage string) *Loss {
	if err := context.Cause(ctx); err != nil {
		if l.ctx.Err() != nil {
			return &Loss{Cause: CauseUser, At: time.Now(), Err: ErrClosed}
		}
		return &Loss{Cause: CauseTimeout, At: time.Now(), Err: err}
	}
	return &Loss{Cause: CauseTimeout, At: time.Now(), Err: fmt.Errorf("%s within %s", stage, seconds(l.cfg.AttemptTimeout))}
}

// mayWantTLSFirst reports whether a broker that says nothing may be waiting for
// our handshake, while we wait for its INFO.
func (l *Link) mayWantTLSFirst() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pool.tls && !l.cfg.TLSFirst
}

// endBeforeInfo is the error of a transport that ended before INFO, where TLS is
// wanted: a broker that waits for a handshake gives up when its own time for it is
// over, which may be before ours is.
type endBeforeInfo struct{ error }

// Error says what may be the matter, to follow the cause.
func (e *endBeforeInfo) Error() string {
	return "before any INFO, as with a broker that wants TLS first"
}

// Unwrap returns the error of the transport.
func (e *endBeforeInfo) Unwrap() error { return e.error }

// awaitInfo reads the INFO with which every broker begins.
func (c *conn) awaitInfo() error {
	op := &c.in.op
	for {
		ok, err := c.in.next(op)
		if err != nil {
			return c.protocol(err)
		}
		if ok {
			break
		}
		n, err := c.stream.Read(c.in.room())
		if n == 0 && err != nil {
			return err
		}
		c.in.got(n)
	}
	switch op.Kind {
	case wire.Info:
	case wire.Err:
		c.giveUp(c.refused(string(bytes.Trim(op.Arg, "' ")), nil))
		return c.loss
	default:
		return c.protocol(fmt.Errorf("%v before INFO", op.Kind))
	}
	info, err := wire.ParseInfo(op.Arg)
	if err != nil {
		return c.protocol(err)
	}
	c.info = info
	return nil
}

// protocol gives the connection up for what it said.
func (c *conn) protocol(err error) error {
	c.giveUp(&Loss{Cause: CauseProtocol, Err: err})
	return err
}

// greet sends a greeting and a PING behind it, and waits for the PONG. Messages
// that come before it are delivered.
func (c *conn) greet(greeting []byte) error {
	answered := make(chan error, 1)
	l := c.link
	l.mu.Lock()
	c.ledger.ping(time.Now(), answered)
	l.mu.Unlock()
	if _, err := c.stream.Write(append(greeting, wire.PingLine...)); err != nil {
		// The broker may have said why before it closed: the reader knows.
		<-c.gone
		return c.loss
	}
	select {
	case <-answered:
		c.confirmedAt = c.lastHeard()
		return nil
	case <-c.gone:
		return c.loss
	}
}

// restore appends every subscription to a greeting for c. From here on, what is
// done to the subscriptions is kept for c as well.
func (l *Link) restore(c *conn, greeting []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.bare.Store(false)
	l.hello, l.toldHello = c, nil
	return l.subs.appendAll(greeting)
}

// forgetHello notes that the connection greeted came to nothing.
func (l *Link) forgetHello() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hello, l.toldHello = nil, nil
}

// connectFirst asks every server once, or again and again with KeepTrying,
// until one answers or ctx ends.
func (l *Link) connectFirst(ctx context.Context) (*conn, error) {
	var failed ConnectError
	var took time.Duration
	for attempt := 0; ; attempt++ {
		l.mu.Lock()
		s, servers := l.pool.next(), l.pool.len()
		wait := l.backoff.wait(time.Since(l.base), took, l.rng)
		l.mu.Unlock()
		if attempt >= servers {
			if !l.cfg.KeepTrying {
				return nil, &failed
			}
			l.tellRetry(s, attempt+1, wait, failed.Errs[len(failed.Errs)-1])
			if pause(ctx, wait) != nil {
				return nil, &failed
			}
			failed.Servers, failed.Errs = failed.Servers[1:], failed.Errs[1:]
		}
		start := time.Now()
		c, err := l.dial(ctx, s, true)
		if err == nil {
			return c, nil
		}
		took = time.Since(start)
		failed.Servers, failed.Errs = append(failed.Servers, s.String()), append(failed.Errs, err)
		l.mu.Lock()
		l.pool.failed(s.address)
		l.mu.Unlock()
		if ctx.Err() != nil {
			return nil, &failed
		}
	}
}

// tellRetry notes and emits that another attempt is planned.
func (l *Link) tellRetry(s server, attempt int, wait time.Duration, err error) {
	now := time.Now()
	l.mu.Lock()
	l.last.Attempt, l.last.Next = attempt, now.Add(wait)
	l.mu.Unlock()
	l.events.emit(Event{Kind: EventRetrying, At: now, Server: s.String(), Attempt: attempt, Next: now.Add(wait), Err: err})
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
