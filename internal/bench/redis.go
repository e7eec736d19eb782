package bench

import (
	"context"
	"fmt"
	"time"
)

// RedisCommand is the hidden command of the lab's own program that becomes a
// redis-server: its argument is the program's path.
const RedisCommand = "redis"

// redisRetry is how often a redis-server that was just started is tried.
const redisRetry = 10 * time.Millisecond

// answers waits until a contender takes connections. All but Redis do when they
// have told their address.
func (t *target) answers(ctx context.Context) error {
	if _, isRedis := t.dialect.(respDialect); !isRedis {
		return nil
	}
	tick := time.NewTicker(redisRetry)
	defer tick.Stop()
	for {
		c, err := dial(ctx, t.dialect, t.addr, false)
		if err == nil {
			return c.Close()
		}
		select {
		case <-tick.C:
		case <-t.process.Done():
			return fmt.Errorf("redis-server ended: %w", t.process.Err())
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not answer: %w", err)
		}
	}
}
