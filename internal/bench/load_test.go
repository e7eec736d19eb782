package bench

import (
	"context"
	"runtime"
	"testing"
	"time"

	"vigil/internal/lab"
)

// on runs a measurement on both brokers, side by side.
func on(t *testing.T, o Options, measure func(context.Context, *target) (sample, error), check func(t *testing.T, s sample)) {
	for _, name := range []string{lab.Vigil, lab.NATSServer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, err := contender(name).start(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = target.stop(Options{}) })
			s, err := measure(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			if runtime.GOOS == "linux" && !(s.peak > 0) {
				t.Errorf("memory %v", s.peak)
			}
			check(t, s)
		})
	}
}

var brief = timing{
	warm: 50 * time.Millisecond, window: 100 * time.Millisecond, stall: setupTimeout,
	crowd: 20, pings: 200 * time.Millisecond,
}

func TestExchange(t *testing.T) {
	t.Parallel()
	on(t, Options{}, func(ctx context.Context, target *target) (sample, error) {
		if s, err := measureExchange(ctx, target, brief); err != nil {
			return s, err
		}
		return measureBeside(ctx, target, brief)
	}, func(t *testing.T, s sample) {
		if !(s.perSecond > 0) || !(s.p50 > 0) || s.p99 < s.p50 {
			t.Errorf("%+v", s)
		}
	})
}

func TestCrowd(t *testing.T) {
	t.Parallel()
	on(t, Options{}, func(ctx context.Context, target *target) (sample, error) {
		return measureClientPings(ctx, target, brief)
	}, func(t *testing.T, s sample) {
		if s.perSecond < 10 || s.perSecond > 40 {
			t.Errorf("%v pings a second from 20 clients", s.perSecond)
		}
	})
}

func TestBrokerPings(t *testing.T) {
	t.Parallel()
	on(t, Options{PingInterval: time.Second}, func(ctx context.Context, target *target) (sample, error) {
		return measurePings(ctx, target, brief, func(c *crowd, m meter) (perSecond, cpu float64, err error) {
			watch := startWatch(m, c.pings.Load)
			for c.pings.Load() < 20 && err == nil {
				err = pause(c.ctx, 10*time.Millisecond)
			}
			perSecond, cpu = watch.stop()
			return perSecond, cpu, err
		})
	}, func(t *testing.T, s sample) {})
}

func TestChurn(t *testing.T) {
	t.Parallel()
	on(t, Options{}, func(ctx context.Context, target *target) (sample, error) {
		return measureChurn(ctx, target, brief)
	}, func(t *testing.T, s sample) {
		if !(s.perSecond > 0) {
			t.Errorf("%v clients a second", s.perSecond)
		}
	})
}

func TestStuck(t *testing.T) {
	t.Parallel()
	on(t, Options{}, func(ctx context.Context, target *target) (sample, error) {
		return measureStuckFor(ctx, target, time.Second, time.Second)
	}, func(t *testing.T, s sample) {
		if len(s.seconds) != 2 || s.seconds[0].PerSecond == 0 || s.seconds[1].PerSecond == 0 || !(s.worst > 0) || !(s.p99 > 0) {
			t.Errorf("%+v", s)
		}
	})
}
