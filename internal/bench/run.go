package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Bench is a run. The zero value of a field is its default.
type Bench struct {
	// Contenders are those that are measured. Ratios compare the first with
	// the second, and it is the first that is profiled, with whatever else has
	// its name. It is the broker of the contenders that are clients.
	Contenders []Contender
	// Scenarios are what is measured, see [Choose].
	Scenarios []Scenario
	// Rounds is how many measured rounds a scenario has for each contender;
	// the scenarios that repeat within a round have fewer. 0 is 5, or 3 of a
	// quick run.
	Rounds int
	// Quick makes everything short.
	Quick bool
	// Connections is how many idle ones there are at most, and Subscriptions how
	// many there are where they are what is measured. 0 is 15,000, or 2000 of a
	// quick run, and a million.
	Connections, Subscriptions int
	// ProfileDir is where the first contender writes a profile for each
	// scenario, in a round that is not measured. "" is nowhere.
	ProfileDir string
	// Tell is told of every step before it begins; nil is nobody.
	Tell func(Step)
}

// Step is what a run is about to do.
type Step struct {
	// Done of All is how far the run has come, by the estimate of [Bench.Length].
	Done, All           time.Duration
	Scenario, Contender string
	// What is "verifying", "round 2 of 5" or "profiling".
	What string
}

// The defaults of a full run and of a quick one.
const (
	fullRounds  = 5
	quickRounds = 3
	fullCrowd   = 15_000
	quickCrowd  = 2000
	fullMass    = 1_000_000
)

// quickBudget is when a quick run begins to leave out all but first rounds, so
// that it ends in time on a slow machine, too.
const quickBudget = 38 * time.Second

func (b Bench) withDefaults() Bench {
	if b.Rounds == 0 {
		b.Rounds = fullRounds
		if b.Quick {
			b.Rounds = quickRounds
		}
	}
	if b.Connections == 0 {
		b.Connections = fullCrowd
		if b.Quick {
			b.Connections = quickCrowd
		}
	}
	if b.Subscriptions == 0 {
		b.Subscriptions = fullMass
	}
	if b.Tell == nil {
		b.Tell = func(Step) {}
	}
	return b
}

// timing is that of a run whose defaults are filled in.
func (b Bench) timing() timing {
	if b.Quick {
		return timing{
			warm: 100 * time.Millisecond, window: 250 * time.Millisecond, bytes: 8 << 20, messages: 50_000,
			crowd: b.Connections, pings: time.Second, subscriptions: b.Subscriptions, stall: setupTimeout,
		}
	}
	return timing{
		warm: 250 * time.Millisecond, window: 800 * time.Millisecond, bytes: 64 << 20, messages: 200_000,
		crowd: b.Connections, pings: 2 * time.Second, subscriptions: b.Subscriptions, stall: setupTimeout,
	}
}

// mark is what a contender has come to in a scenario.
type mark struct {
	samples []sample
	err     error
}

// Run measures. A contender that fails in a scenario is out of it, and its
// result says why; the error is that of a run that was interrupted.
func (b Bench) Run(ctx context.Context) ([]Result, error) {
	b = b.withDefaults()
	plan, length := b.plan(), b.Length()
	began, estimated := time.Now(), time.Duration(0)
	marks := make(map[[2]string]*mark)
	for _, s := range plan {
		key := [2]string{s.scenario.Name, s.contender.Name}
		if marks[key] == nil {
			marks[key] = &mark{}
		}
		b.Tell(Step{Done: estimated, All: length, Scenario: s.scenario.Name, Contender: s.contender.Name, What: s.what()})
		estimated += s.length(b.timing())
		if b.Quick && s.kind == measuring && s.round > 0 && time.Since(began) > quickBudget {
			continue // the results tell how many rounds there were
		}
		marks[key].play(ctx, s, b.timing())
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	var results []Result
	for _, s := range b.Scenarios {
		for _, c := range b.entrants(s) {
			results = append(results, newResult(s, c.Name, marks[[2]string{s.Name, c.Name}]))
		}
	}
	return results, nil
}

// play does a step, unless an earlier one failed.
func (m *mark) play(ctx context.Context, s step, t timing) {
	if m.err != nil {
		return
	}
	got, err := s.play(ctx, t)
	switch {
	case err != nil:
		m.err = fmt.Errorf("%s on %s, %s: %w", s.scenario.Name, s.contender.Name, s.what(), err)
	case s.kind == measuring:
		m.samples = append(m.samples, got)
	}
}

// play is the life of a contender's process.
func (s step) play(ctx context.Context, timing timing) (got sample, err error) {
	if s.contender.Protocol == Failover {
		return s.contender.playFailover(ctx)
	}
	if s.contender.Protocol == Client {
		broker, err := s.broker.start(ctx, Options{})
		if err != nil {
			return got, fmt.Errorf("its broker: %w", err)
		}
		defer broker.process.Kill()
		s.options.Broker = broker.process.URL()
	}
	t, err := s.contender.start(ctx, s.options)
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, t.stop(s.options)) }()
	if s.kind == verifying {
		return got, s.scenario.verify(ctx, t, timing)
	}
	got, err = s.scenario.measure(ctx, t, timing)
	select {
	case <-t.process.Done():
		// Whatever the load generator says, this is why.
		err = fmt.Errorf("its process ended: %w", errors.Join(t.process.Err(), err))
	default:
	}
	return got, err
}
