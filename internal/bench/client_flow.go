package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// clientAhead is how many messages may be published that the client has not
	// received: less than any client drops by default.
	clientAhead = 32 << 10
	// clientChunk is how many messages are written at once: a multiple of what
	// clients count by.
	clientChunk = 512
	// clientPoll is how often the client is asked how far it is.
	clientPoll = 2 * time.Millisecond
)

// measureClientReceive is a measured round of a client that receives what this
// process publishes, as fast as it can.
func measureClientReceive(ctx context.Context, t *target, timing timing) (sample, error) {
	c, err := t.control(ctx)
	if err != nil {
		return noSample(), err
	}
	defer c.close()
	pub, err := dial(ctx, t.dialect, t.broker, false)
	if err != nil {
		return noSample(), err
	}
	defer pub.Close()
	p := clientFeed{c: c, pub: pub, stop: make(chan struct{})}
	for range clientChunk {
		p.chunk = t.dialect.appendPublish(p.chunk, message{subject: clientSubject, payload: plain(clientSize)})
	}
	failed := make(chan error, 1)
	var feeding sync.WaitGroup
	feeding.Go(func() {
		if err := p.run(); err != nil {
			failed <- err
		}
	})
	s, err := t.clientWindow(ctx, c, timing, failed)
	close(p.stop)
	feeding.Wait()
	if err != nil {
		return s, err
	}
	return s, p.complete(ctx)
}

// clientFeed publishes to a client, no further ahead than clientAhead.
type clientFeed struct {
	// Fixed after construction.
	c     *control
	pub   *conn
	chunk []byte // of clientChunk messages
	stop  chan struct{}

	// Owned by run, then by complete.
	published int64
}

func (p *clientFeed) run() error {
	received := int64(0)
	tick := time.NewTicker(clientPoll)
	defer tick.Stop()
	for {
		if p.published-received+clientChunk > clientAhead {
			select {
			case <-tick.C:
			case <-p.stop:
				return nil
			}
			r, err := p.c.ask(controlReport)
			if err != nil {
				return err
			}
			received = r.Ops
			continue
		}
		select {
		case <-p.stop:
			return nil
		default:
		}
		if err := p.pub.SetWriteDeadline(time.Now().Add(setupTimeout)); err != nil {
			return err
		}
		if _, err := p.pub.Write(p.chunk); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		p.published += clientChunk
	}
}

// complete waits until the client has received all that was published, and no
// more.
func (p *clientFeed) complete(ctx context.Context) error {
	deadline := time.Now().Add(setupTimeout)
	for {
		r, err := p.c.ask(controlReport)
		if err != nil {
			return err
		}
		switch {
		case r.Ops == p.published:
			_, err := p.c.ask(controlStop)
			return err
		case r.Ops > p.published || time.Now().After(deadline):
			return fmt.Errorf("the client received %d of %d messages", r.Ops, p.published)
		}
		if err := pause(ctx, clientPoll); err != nil {
			return err
		}
	}
}

// published is the checker of what a client publishes.
func (f flow) published(t *target) (checker, error) {
	if t.identifies {
		return newIdentified(t.dialect, f.message(0, plain(f.size))), nil
	}
	return f.tape(t.dialect)
}

// measureClientPublish is a measured round of a client that publishes as fast as
// it can to a subscriber in this process, which checks every byte.
func measureClientPublish(ctx context.Context, t *target, timing timing) (sample, error) {
	defer spare()()
	f := one(1, 1, clientSize)
	f.subjects = []string{clientSubject}
	expected, err := f.published(t)
	if err != nil {
		return noSample(), err
	}
	sub, err := dial(ctx, t.dialect, t.broker, true)
	if err != nil {
		return noSample(), err
	}
	defer sub.Close()
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() })
	defer stop()
	subscriptions, n := f.subscriptions(t.dialect)
	if err := sub.subscribe(t.dialect, subscriptions, n); err != nil {
		return noSample(), err
	}
	r, err := newReceiver(sub, t.dialect, expected)
	if err != nil {
		return noSample(), err
	}
	c, err := t.control(ctx)
	if err != nil {
		return noSample(), err
	}
	defer c.close()
	var got atomic.Int64
	var reading sync.WaitGroup
	failed := make(chan error, 1)
	// Ends with the connection.
	reading.Go(func() {
		for {
			n, err := r.read()
			if err != nil {
				failed <- fmt.Errorf("after %d deliveries: %w", got.Load(), err)
				return
			}
			got.Add(n)
		}
	})
	defer reading.Wait()
	defer sub.Close()
	s, err := t.clientWindow(ctx, c, timing, failed)
	if err != nil {
		return s, err
	}
	last, err := c.ask(controlStop)
	if err != nil {
		return s, err
	}
	for deadline := time.Now().Add(setupTimeout); got.Load() != last.Ops; {
		select {
		case err := <-failed:
			return s, err
		default:
		}
		if got.Load() > last.Ops || time.Now().After(deadline) {
			return s, fmt.Errorf("%d deliveries of %d messages", got.Load(), last.Ops)
		}
		if err := pause(ctx, clientPoll); err != nil {
			return s, err
		}
	}
	return s, nil
}
