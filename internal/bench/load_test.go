package bench

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"vigil/internal/lab"
)

var brief = timing{
	warm: 50 * time.Millisecond, window: 100 * time.Millisecond, stall: setupTimeout,
	crowd: 20, pings: 200 * time.Millisecond, subscriptions: 2000,
}

// loads are the measurements besides flows, made brief, and what must be true
// of what they return.
var loads = []struct {
	name    string
	options Options
	measure func(context.Context, *target) (sample, error)
	ok      func(sample) bool
}{
	{
		"requests", Options{},
		func(ctx context.Context, t *target) (sample, error) { return measureExchange(ctx, t, brief) },
		func(s sample) bool { return s.perSecond > 0 && s.p50 > 0 && s.p99 >= s.p50 },
	},
	{
		"client pings", Options{},
		func(ctx context.Context, t *target) (sample, error) { return measureClientPings(ctx, t, brief) },
		func(s sample) bool { return s.perSecond >= 10 && s.perSecond <= 40 && s.size == 20 },
	},
	{
		"broker pings", Options{PingInterval: time.Second},
		func(ctx context.Context, t *target) (sample, error) {
			return measurePings(ctx, t, timing{crowd: 20}, func(c *crowd, m meter) (perSecond, cpu float64, err error) {
				for err == nil && c.pings.Load() < 20 {
					err = pause(c.ctx, 10*time.Millisecond)
				}
				return 20, 1, err
			})
		},
		func(s sample) bool { return true },
	},
	{
		"come and go", Options{},
		func(ctx context.Context, t *target) (sample, error) { return measureChurn(ctx, t, brief) },
		func(s sample) bool { return s.perSecond > 0 },
	},
	{
		"subscriptions", Options{},
		func(ctx context.Context, t *target) (sample, error) { return measureSubscriptions(ctx, t, brief) },
		func(s sample) bool { return s.size == 2000 && s.perSecond > 0 },
	},
	{
		"one is stuck", Options{},
		func(ctx context.Context, t *target) (sample, error) {
			return measureStuckFor(ctx, t, time.Second, time.Second)
		},
		func(s sample) bool {
			return len(s.seconds) == 2 && s.seconds[0].PerSecond > 0 && s.seconds[1].PerSecond > 0 && s.worst > 0 && s.p99 > 0
		},
	},
}

// TestLoads measures everything on both brokers at the same time: most of it
// waits.
func TestLoads(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for _, load := range loads {
		for _, name := range []string{lab.Vigil, lab.NATSServer} {
			wg.Go(func() {
				s, err := runLoad(t.Context(), contender(name), load.options, load.measure)
				switch {
				case err != nil:
					t.Errorf("%s on %s: %v", load.name, name, err)
				case !load.ok(s) || runtime.GOOS == "linux" && !(s.peak > 0):
					t.Errorf("%s on %s: %+v", load.name, name, s)
				}
			})
		}
	}
	wg.Wait()
}

// runLoad is the life of a contender's process.
func runLoad(ctx context.Context, c Contender, o Options, measure func(context.Context, *target) (sample, error)) (sample, error) {
	t, err := c.start(ctx, o)
	if err != nil {
		return sample{}, fmt.Errorf("start: %w", err)
	}
	defer func() { _ = t.stop(Options{}) }()
	return measure(ctx, t)
}
