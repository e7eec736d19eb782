package bench

import (
	"context"
	"fmt"
	"time"
)

// timing says how long the parts of a round take.
type timing struct {
	warm, window time.Duration
	// stall is how long nothing may be delivered.
	stall time.Duration
	// bytes and messages bound about what a verifying round delivers and
	// publishes.
	bytes, messages int
	// crowd is how many idle connections there are, if the system allows it,
	// and pings how long they are pinged.
	crowd int
	pings time.Duration
	// subscriptions is how many there are where they are what is measured.
	subscriptions int
}

// sample is what a round of a scenario measured; none where there is nothing
// to measure.
type sample struct {
	perSecond float64 // of what the scenario counts
	cpu       float64 // the contender's time for each of them, in microseconds
	p50, p99  float64 // in microseconds
	peak      float64 // the contender's memory, in KiB
	size      float64 // how many connections or subscriptions there were
	each      float64 // its memory for each of them, in KiB
	allocs    float64 // a client's allocations for each of what is counted

	// Of the scenario with a stuck subscriber: the least that the others had
	// in a second with it and without, as shares of what they usually have,
	// and the latency without it, in microseconds.
	worst, calmWorst, calmP99 float64
	seconds                   []Second

	inTime bool // of a failover
}

// noSample has no figure.
func noSample() sample {
	return sample{
		perSecond: none, cpu: none, p50: none, p99: none, peak: none, size: none, each: none, allocs: none,
		worst: none, calmWorst: none, calmP99: none,
	}
}

// stopwatch takes the difference of two readings.
type stopwatch struct {
	meter meter
	count func() int64
	at    time.Time
	cpu   time.Duration
	known bool
	done  int64
}

func startWatch(m meter, count func() int64) stopwatch {
	w := stopwatch{meter: m, count: count, at: time.Now(), done: count()}
	w.cpu, w.known = m.cpu()
	return w
}

// stop returns how many were counted a second, and what each cost the
// contender, in microseconds.
func (w stopwatch) stop() (perSecond, cpu float64) {
	now, spent := startWatch(w.meter, w.count), none
	done := float64(now.done - w.done)
	if w.known && now.known && done > 0 {
		spent = micros(now.cpu-w.cpu) / done
	}
	return done / now.at.Sub(w.at).Seconds(), spent
}

// afterwards is how long after the last delivery nothing more may come.
const afterwards = 20 * time.Millisecond

// measure is a measured round of a flow.
func (f flow) measure(ctx context.Context, t *target, timing timing) (sample, error) {
	return f.measureWith(ctx, t, timing, nil)
}

// measureWith is a measured round of a flow, with something beside it: that is
// called with how long to go on, for the warm-up and for the window.
func (f flow) measureWith(ctx context.Context, t *target, timing timing, beside func(time.Duration) error) (sample, error) {
	s := noSample()
	expected, err := f.expected(t.dialect)
	if err != nil {
		return s, err
	}
	p, err := f.connect(ctx, t.dialect, t.addr)
	defer p.end()
	if err != nil {
		return s, err
	}
	p.readers.Go(func() { p.watch(timing.stall) }) // ends with the flow; end waits for it
	if err := p.receive(expected); err != nil {
		return s, err
	}
	chunks := f.chunks(t.dialect)
	p.publish(f.chunk(t.dialect), func(_, k int) []byte { return chunks[k%len(chunks)] })
	if beside == nil {
		beside = func(d time.Duration) error { return pause(p.ctx, d) }
	}
	if err := beside(timing.warm); err != nil {
		return s, err
	}
	watch := startWatch(t.meter, p.window.total)
	if err := beside(timing.window); err != nil {
		return s, err
	}
	s.perSecond, s.cpu = watch.stop()
	s.peak = t.meter.peak()
	p.window.stop()
	if err := p.finish(); err != nil {
		return s, err
	}
	if err := pause(p.ctx, afterwards); err != nil {
		return s, err
	}
	if got, want := p.window.total(), p.window.published()*int64(f.copies()); got != want {
		return s, fmt.Errorf("%d deliveries of %d messages, want %d", got, p.window.published(), want)
	}
	return s, nil
}

// expected returns the checkers of a measured round.
func (f flow) expected(d dialect) (func(int) (checker, error), error) {
	if f.subscribers == 0 {
		return nil, nil
	}
	first, err := f.tape(d)
	if err != nil {
		return nil, err
	}
	return func(int) (checker, error) { return first.copy(), nil }, nil
}
