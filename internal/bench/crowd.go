package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// crowd is many connections that do nothing, each with one subscription. What
// the broker asks of them they answer.
type crowd struct {
	conns []*conn
	// pongs and pings count what came from the broker.
	pongs, pings atomic.Int64

	ctx     context.Context
	cancel  context.CancelCauseFunc
	readers sync.WaitGroup
}

const (
	// crowdRest is how many descriptors are left for everything else.
	crowdRest = 200
	// crowdDialers is how many connect at the same time.
	crowdDialers = 32
)

// crowdSize is how many connections the system allows this process and the
// broker's.
func crowdSize(timing timing) (int, error) {
	n := min(descriptors()-crowdRest, timing.crowd)
	if n < 1 {
		return 0, errors.New("too few file descriptors are allowed")
	}
	return n, nil
}

// gather connects n. The caller calls disperse, whatever the error.
func gather(ctx context.Context, t *target, n int) (*crowd, error) {
	c := &crowd{conns: make([]*conn, n)}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	var next atomic.Int64
	var dialers sync.WaitGroup
	for range min(crowdDialers, n) {
		// Ends when all are connected or one could not be.
		dialers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && c.ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := c.join(t, i); err != nil {
					c.cancel(fmt.Errorf("connection %d of %d: %w", i+1, n, err))
				}
			}
		})
	}
	dialers.Wait()
	return c, c.err()
}

// join connects the i-th and leaves it to a reader.
func (c *crowd) join(t *target, i int) error {
	conn, err := dial(c.ctx, t.dialect, t.addr, true)
	if err != nil {
		return err
	}
	c.conns[i] = conn
	subscription := t.dialect.appendSubscribe(nil, fmt.Sprintf("bench.idle.%d", i), "", 1)
	if err := conn.subscribe(t.dialect, subscription, 1); err != nil {
		return err
	}
	// Owned by the crowd; ends with the connection; disperse waits for it.
	c.readers.Go(func() {
		c.cancel(fmt.Errorf("idle connection %d: %w", i, c.attend(t, conn)))
	})
	return nil
}

// attend answers the broker until the connection ends, and returns why it did.
func (c *crowd) attend(t *target, conn *conn) error {
	for {
		line, err := conn.line()
		if err != nil {
			return err
		}
		answer, err := t.dialect.control([]byte(line))
		if err != nil {
			return err
		}
		switch {
		case line == "PONG":
			c.pongs.Add(1)
		case answer != "":
			c.pings.Add(1)
			if err := conn.say(answer); err != nil {
				return err
			}
		}
	}
}

// err is why the crowd no longer is what it was, nil if it is.
func (c *crowd) err() error {
	if err := context.Cause(c.ctx); !errors.Is(err, errEnded) {
		return err
	}
	return nil
}

// disperse closes all connections.
func (c *crowd) disperse() {
	c.cancel(errEnded)
	for _, conn := range c.conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
	c.readers.Wait()
}

// ping sends every connection a PING once a second, spread evenly, for as long
// as d.
func (c *crowd) ping(d time.Duration) error {
	const step = 5 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	began, sent := time.Now(), 0
	for {
		select {
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		case <-tick.C:
		}
		elapsed := time.Since(began)
		for due := int(elapsed.Seconds() * float64(len(c.conns))); sent < due; sent++ {
			if err := c.conns[sent%len(c.conns)].say("PING\r\n"); err != nil {
				return err
			}
		}
		if elapsed >= d {
			return nil
		}
	}
}
