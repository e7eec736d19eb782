package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// churners is how many connect, subscribe and disconnect at the same time.
const churners = 8

// measureChurn is a round in which clients come and go: each connects,
// subscribes, waits until that is confirmed, and disconnects.
func measureChurn(ctx context.Context, t *target, timing timing) (sample, error) {
	s := noSample()
	ctx, cancel := context.WithCancelCause(ctx)
	var done atomic.Int64
	var workers sync.WaitGroup
	for range churners {
		// Ends with ctx; waited for below.
		workers.Go(func() {
			for ctx.Err() == nil {
				if err := comeAndGo(ctx, t); err != nil {
					cancel(fmt.Errorf("client %d: %w", done.Load(), err))
					return
				}
				done.Add(1)
			}
		})
	}
	defer workers.Wait()
	defer cancel(errEnded)
	if err := pause(ctx, timing.warm); err != nil {
		return s, err
	}
	watch := startWatch(t.meter, done.Load)
	if err := pause(ctx, timing.window); err != nil {
		return s, err
	}
	s.perSecond, s.cpu = watch.stop()
	s.peak = t.meter.peak()
	return s, nil
}

// comeAndGo is the life of a client.
func comeAndGo(ctx context.Context, t *target) error {
	c, err := dial(ctx, t.dialect, t.addr, true)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.subscribe(t.dialect, t.dialect.appendSubscribe(nil, "bench.churn.x", "", 1), 1)
}
