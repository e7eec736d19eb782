package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// pumps are the connections of a flow and the goroutines that serve them.
type pumps struct {
	// Fixed after connect.
	flow    flow
	dialect dialect
	window  *window
	conns   []*conn // subscribers first

	ctx    context.Context
	cancel context.CancelCauseFunc
	// readers and writers count the goroutines; end waits for both.
	readers, writers sync.WaitGroup
}

// errEnded is why a flow's connections are closed when all is well.
var errEnded = errors.New("the round has ended")

// connect dials and subscribes. The caller calls end, whatever the error.
func (f flow) connect(ctx context.Context, d dialect, addr string) (*pumps, error) {
	p := &pumps{flow: f, dialect: d}
	p.window = newWindow(max(f.subscribers, 1), f.queue != "", f.limit(d))
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	// A cancelled flow lets go of whoever waits, and below, reads or writes.
	context.AfterFunc(p.ctx, p.window.stop)
	subscriptions, n := f.subscriptions(d)
	for i := range f.subscribers + f.publishers {
		subscriber := i < f.subscribers
		c, err := dial(ctx, d, addr, subscriber)
		if err != nil {
			return p, err
		}
		p.conns = append(p.conns, c)
		context.AfterFunc(p.ctx, func() { _ = c.Close() })
		switch {
		case subscriber:
			err = c.subscribe(d, subscriptions, n)
		case f.subscribers > 0:
			err = c.say(d.mute())
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

// receive starts to read all connections; check returns the checker of a
// subscriber.
func (p *pumps) receive(check func(subscriber int) (checker, error)) error {
	for i, c := range p.conns {
		var ck checker
		var err error
		each := int64(1) // messages for each delivery that the checker counts
		switch {
		case i < p.flow.subscribers:
			ck, err = check(i)
		case p.flow.subscribers == 0:
			ask, reply := p.dialect.acknowledged()
			ck = &replies{reply: []byte(reply)}
			if ask != "" {
				each = int64(p.flow.chunk(p.dialect))
			}
		default:
			ck = &replies{}
		}
		if err != nil {
			return err
		}
		r, err := newReceiver(c, p.dialect, ck)
		if err != nil {
			return err
		}
		counts := min(i, max(p.flow.subscribers-1, 0))
		// Owned by p; ends with the connection; end waits for it.
		p.readers.Go(func() { p.pump(r, counts, each) })
	}
	return nil
}

// pump reads a connection to its end.
func (p *pumps) pump(r *receiver, subscriber int, each int64) {
	for {
		n, err := r.read()
		if err != nil {
			p.cancel(err)
			return
		}
		if n > 0 {
			p.window.deliver(subscriber, n*each)
		}
	}
}

// publish starts the publishers; next returns what one writes as its k-th
// chunk, of n messages, nil for nothing more.
func (p *pumps) publish(n int, next func(publisher, k int) []byte) {
	for i := range p.flow.publishers {
		c := p.conns[p.flow.subscribers+i]
		// Owned by p; ends with the window or the connection; end waits for it.
		p.writers.Go(func() {
			for k := 0; ; k++ {
				chunk := next(i, k)
				if chunk == nil || !p.window.acquire(int64(n)) {
					return
				}
				if _, err := c.Write(chunk); err != nil {
					p.cancel(err)
					return
				}
			}
		})
	}
}

// finish waits until the publishers have ended and all that they published is
// delivered, or until the flow is cancelled.
func (p *pumps) finish() error {
	p.writers.Wait()
	p.window.drain(func() bool { return p.ctx.Err() != nil })
	return p.err()
}

// watch cancels the flow when nothing is delivered for as long as stall. It
// returns when the flow is cancelled.
func (p *pumps) watch(stall time.Duration) {
	tick := time.NewTicker(stall / 10)
	defer tick.Stop()
	last, since := int64(-1), time.Now()
	for {
		select {
		case <-p.ctx.Done():
			return
		case now := <-tick.C:
			if total := p.window.total(); total != last {
				last, since = total, now
			} else if now.Sub(since) >= stall {
				p.cancel(fmt.Errorf("stalled: nothing was delivered for %v, with %d messages published and %d deliveries made",
					stall, p.window.published(), last))
			}
		}
	}
}

// err is what went wrong, nil if nothing did yet.
func (p *pumps) err() error {
	if err := context.Cause(p.ctx); err != nil && !errors.Is(err, errEnded) {
		return err
	}
	return nil
}

// end closes the connections and waits for the goroutines.
func (p *pumps) end() {
	p.cancel(errEnded)
	p.writers.Wait()
	p.readers.Wait()
}
