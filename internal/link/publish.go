package link

import (
	"context"
	"time"

	"vigil/internal/wire"
)

// pubOverhead bounds what HPUB adds to subject, reply, header and payload.
const pubOverhead = len("HPUB ") + 4*len(" ") + 2*9 + 2*len("\r\n")

// Publish queues a message for the connection, whose writer sends it at once.
// header is a block as wire.AppendHeader makes it, or nil. Nothing of the
// arguments is kept. Subject, reply and header must have been checked: a blank
// or a line end in them would be read as protocol.
//
// While connected, Publish waits when OutBuffer is full, until there is room or
// ctx ends. While there is no connection the message is kept, to be sent in
// order after the subscriptions were restored; when AwayBuffer is full Publish
// returns ErrAwayBufferFull. A nil error means taken, not delivered: Flush
// says that the broker got it, and Event.Unconfirmed how many it perhaps did
// not.
func (l *Link) Publish(ctx context.Context, subject, reply string, header, payload []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n := len(subject) + len(reply) + len(header) + len(payload) + pubOverhead
	l.mu.Lock()
	if age := l.cfg.AwayAge; age > 0 && !l.established() {
		l.expire(time.Now()) // makes room
	}
	for {
		room, err := l.room(n, int64(len(header)+len(payload)), len(header) > 0)
		if err != nil {
			l.mu.Unlock()
			return err
		}
		if room {
			break
		}
		changed := l.change()
		l.askForRoom()
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		l.mu.Lock()
	}
	if age := l.cfg.AwayAge; age > 0 && !l.established() {
		l.out.age(time.Now(), age/agingSteps)
	}
	before := l.out.size
	l.out.publish(n, subject, reply, header, payload)
	l.counters.outMessages++
	l.counters.outBytes += int64(l.out.size - before)
	l.wakeWriter()
	l.mu.Unlock()
	return nil
}

// agingSteps is into how many chunks what waits for AwayAge is divided at least.
const agingSteps = 8

// room decides whether a message of n bytes, of which size are header and
// payload, can be taken now. False without an error means wait. mu is held.
func (l *Link) room(n int, size int64, header bool) (bool, error) {
	switch {
	case l.closing:
		return false, l.closed()
	case size > maxInbound:
		return false, &PayloadError{size, maxInbound}
	case l.maxPayload > 0 && size > l.maxPayload:
		return false, &PayloadError{size, l.maxPayload}
	case header && !l.headers:
		return false, ErrNoHeaders
	case l.established():
		held := l.out.size + l.conn.kept.size
		fits := l.out.size == 0 || l.out.size+n <= l.cfg.OutBuffer
		return fits && (!l.cfg.Resend || held == 0 || held+n <= l.cfg.KeepUnconfirmed), nil
	case l.out.size+n > l.cfg.AwayBuffer:
		return false, ErrAwayBufferFull
	}
	return true, nil
}

// wakeWriter makes the writer look. mu is held.
func (l *Link) wakeWriter() {
	if c := l.conn; c != nil && c.writerIdle {
		c.writerIdle = false
		c.wake <- struct{}{} // has room: the writer empties it before it idles
	}
}

// Flush waits until the broker has got everything published and subscribed
// before, which it shows by answering a PING; but for what was lost with a
// connection before Flush was called, see Event.Unconfirmed. While there is no
// connection it waits for one. It returns an *InterruptedError when the connection was lost
// meanwhile, ctx's error when that ended first, and ErrClosed after Close.
func (l *Link) Flush(ctx context.Context) error {
	l.mu.Lock()
	for !l.established() || l.closing {
		if l.closing {
			err := l.closed()
			l.mu.Unlock()
			return err
		}
		changed := l.change()
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		l.mu.Lock()
	}
	done := make(chan error, 1) // room for the answer, which nobody may await any more
	l.out.ping(done)
	l.wakeWriter()
	l.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Subscribe registers a subscription and sends its SUB at once, or with the
// others as soon as there is a connection. handler is called by the connection's
// reader with every message, in order: it must not block, must not keep what
// the Op points to, and must not call Close. subject and queue must have been
// checked.
func (l *Link) Subscribe(subject, queue string, handler func(*wire.Op)) (sid string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return "", l.closed()
	}
	s := l.subs.add(subject, queue, handler)
	l.control(func(dst []byte) []byte { return wire.AppendSub(dst, subject, queue, s.sid) })
	return s.sid, nil
}

// Unsubscribe ends a subscription, at once or, if max is positive, when a total
// of max messages have been delivered since Subscribe. A sid that is not
// subscribed is passed over. Messages already read may still reach the handler.
func (l *Link) Unsubscribe(sid string, max int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return l.closed()
	}
	s := l.subs.bySID[sid]
	if s == nil {
		return nil
	}
	left := max - s.delivered.Load()
	if max <= 0 || left <= 0 || s.retired {
		l.dropSubscription(sid)
		if s.retired {
			return nil
		}
		left = 0
	} else {
		s.max = max
		s.limited.Store(true)
		// The broker counts from its own SUB, which a reconnect renews.
		left = max - s.restoredAt
	}
	l.control(func(dst []byte) []byte { return wire.AppendUnsub(dst, sid, left) })
	return nil
}

// Retire sends the UNSUB of a subscription as Unsubscribe does, but lets the
// messages under way reach the handler. Unsubscribe then forgets it; after a
// Flush between the two none is lost.
func (l *Link) Retire(sid string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return l.closed()
	}
	if s := l.subs.bySID[sid]; s != nil && !s.retired {
		s.retired = true
		l.control(func(dst []byte) []byte { return wire.AppendUnsub(dst, sid, 0) })
	}
	return nil
}

// dropSubscription takes sid out of the registry. mu is held.
func (l *Link) dropSubscription(sid string) {
	delete(l.subs.bySID, sid)
	l.counters.subsMoved.Add(1)
}

// control sends an operation about a subscription to where subscriptions are
// known already: to the connection, and to the one being greeted. While there is
// neither, the registry will tell. mu is held.
func (l *Link) control(encode func([]byte) []byte) {
	if l.established() {
		l.out.control(encode(nil))
		l.wakeWriter()
	}
	if l.hello != nil {
		l.toldHello = encode(l.toldHello)
	}
}
