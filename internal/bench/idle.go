package bench

import (
	"context"
	"fmt"
	"time"
)

// measureIdle is a round that measures the memory of an idle connection.
func measureIdle(ctx context.Context, t *target, timing timing) (sample, error) {
	s := noSample()
	n, err := crowdSize(timing)
	if err != nil {
		return s, err
	}
	before, err := t.meter.settled(ctx)
	if err != nil {
		return s, err
	}
	c, err := gather(ctx, t, n)
	defer c.disperse()
	if err != nil {
		return s, err
	}
	after, err := t.meter.settled(c.ctx)
	if err != nil {
		return s, err
	}
	s.size, s.each = float64(n), (after-before)/float64(n)
	s.peak = t.meter.peak()
	return s, c.err()
}

// greeted is how old a connection must be for the broker to have pinged it for
// the first time, which is no part of what is measured.
const greeted = 3 * time.Second

// measureClientPings is a round in which every idle connection sends a PING
// once a second.
func measureClientPings(ctx context.Context, t *target, timing timing) (sample, error) {
	return measurePings(ctx, t, timing, func(c *crowd, m meter) (perSecond, cpu float64, err error) {
		if err := c.ping(greeted); err != nil {
			return none, none, err
		}
		watch := startWatch(m, c.pongs.Load)
		err = c.ping(timing.pings)
		perSecond, cpu = watch.stop()
		return perSecond, cpu, err
	})
}

// pingedEvery is how often the broker pings in the scenario in which it does.
const pingedEvery = time.Second

// measureBrokerPings is a round in which the broker sends every idle connection
// a PING once a second. The target was started so.
func measureBrokerPings(ctx context.Context, t *target, timing timing) (sample, error) {
	return measurePings(ctx, t, timing, func(c *crowd, m meter) (perSecond, cpu float64, err error) {
		if err := pause(c.ctx, greeted); err != nil {
			return none, none, err
		}
		watch := startWatch(m, c.pings.Load)
		err = pause(c.ctx, timing.pings)
		perSecond, cpu = watch.stop()
		return perSecond, cpu, err
	})
}

// pingShare is the least share of the pings that ought to be there for a round
// to count: a busy machine may be late, and its figure is for each ping.
const pingShare = 0.5

// measurePings gathers a crowd and lets it be pinged.
func measurePings(ctx context.Context, t *target, timing timing, pings func(*crowd, meter) (perSecond, cpu float64, err error)) (sample, error) {
	s := noSample()
	n, err := crowdSize(timing)
	if err != nil {
		return s, err
	}
	c, err := gather(ctx, t, n)
	defer c.disperse()
	if err != nil {
		return s, err
	}
	s.size = float64(n)
	s.perSecond, s.cpu, err = pings(c, t.meter)
	if err != nil {
		return s, err
	}
	if s.perSecond < pingShare*float64(n) {
		return s, fmt.Errorf("%.0f pings a second for %d connections, want one for each and half of that at least", s.perSecond, n)
	}
	s.peak = t.meter.peak()
	return s, c.err()
}
