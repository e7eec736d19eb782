package heartbeat

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

// randomConfig returns a valid Config, from a few milliseconds to minutes.
func randomConfig(r *rand.Rand) Config {
	span := func() time.Duration { return minSpan + time.Duration(r.Int64N(int64(time.Minute)>>r.IntN(16))) }
	c := Config{Idle: span(), Interval: span(), Probes: 1 + r.IntN(8)}
	if r.IntN(2) == 0 {
		c.Burst = max(minSpan, c.Interval/time.Duration(1+r.IntN(20)))
	}
	return c
}

// random calls f in many subtests, each with a generator of its own whose seed
// is the name of the subtest, until one fails.
func random(t *testing.T, f func(t *testing.T, r *rand.Rand)) {
	for seed := range uint64(2000) {
		if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { f(t, rand.New(rand.NewPCG(seed, 1))) }) {
			return
		}
	}
}

// TestWorstCaseEqualsBound measures, for many configurations, the time from the
// last byte to Dead when Step is called exactly at Next: it is Bound, and on the
// way there are exactly as many probes as its schedule and its burst have.
func TestWorstCaseEqualsBound(t *testing.T) {
	measure := func(t *testing.T, cfg Config, last time.Time) {
		d := NewSchedule(cfg, epoch)
		d.Heard(last)
		probes := 0
		for {
			now := d.Next()
			switch action := d.Step(now); action {
			case Probe:
				probes++
				continue
			case None:
				t.Errorf("%+v: nothing to do at Next", cfg)
			case Dead:
				if got, want := now.Sub(last), probesOf(cfg); got != cfg.Bound() || probes != want || d.Evidence(now).Probes != want {
					t.Errorf("%+v: dead after %v and %d probes, want %v and %d", cfg, got, probes, cfg.Bound(), want)
				}
			}
			return
		}
	}
	for _, cfg := range []Config{Default(), Lesson(), Within(20 * time.Millisecond), Within(time.Hour),
		{minSpan, time.Hour, 1, 0}, {time.Hour, minSpan, maxProbes, 0}, {minSpan, time.Second, 3, 2 * minSpan}} {
		measure(t, cfg, epoch)
		measure(t, cfg, epoch.Add(time.Second))
	}
	random(t, func(t *testing.T, r *rand.Rand) {
		measure(t, randomConfig(r), epoch.Add(time.Duration(r.Int64N(int64(time.Hour)))))
	})
}

// probesOf returns how many probes a silence takes when no Step is late: each
// Interval has one, and as many besides as a Burst goes into what is left of it.
func probesOf(cfg Config) int {
	extra := 0
	if cfg.Burst > 0 {
		extra = int((cfg.Interval - 1) / cfg.Burst)
	}
	return cfg.Probes * (1 + extra)
}

// TestLatenessDoesNotAddUp: when each Step is late by up to half an Interval,
// the verdict comes in [Bound, Bound + Interval/2].
func TestLatenessDoesNotAddUp(t *testing.T) {
	random(t, func(t *testing.T, r *rand.Rand) {
		cfg := randomConfig(r)
		d := NewSchedule(cfg, epoch)
		for {
			now := d.Next().Add(upTo(r, cfg.Interval/2))
			if d.Step(now) != Dead {
				continue
			}
			if got := now.Sub(epoch); got < cfg.Bound() || got > cfg.Bound()+cfg.Interval/2 {
				t.Errorf("%+v: dead after %v, want %v to %v", cfg, got, cfg.Bound(), cfg.Bound()+cfg.Interval/2)
			}
			return
		}
	})
}

// TestAnsweringPeerIsNeverAccused: a peer that answers each probe before it is
// overdue is never suspected, however late the Steps are, pauses and all, and
// never dead if there is more than one probe.
func TestAnsweringPeerIsNeverAccused(t *testing.T) {
	random(t, func(t *testing.T, r *rand.Rand) {
		cfg := randomConfig(r)
		cfg.Probes = max(2, cfg.Probes)
		d := NewSchedule(cfg, epoch)
		lateMax := time.Duration(1) << r.IntN(40) // up to 18 minutes
		var answers []time.Time                   // on their way, in order
		for range 200 {
			now := d.Next().Add(upTo(r, lateMax))
			if len(answers) > 0 && !answers[0].After(now) {
				d.Heard(answers[0])
				answers = answers[1:]
			} else if d.Step(now) == Probe {
				answer := now.Add(upTo(r, overdue(cfg.Interval)-1))
				if n := len(answers); n > 0 && answer.Before(answers[n-1]) {
					answer = answers[n-1] // TCP keeps the order
				}
				answers = append(answers, answer)
			}
			if d.State() != StateAlive {
				t.Fatalf("%+v: %v, evidence %+v", cfg, d.State(), d.Evidence(now))
			}
		}
	})
}

// TestPause: whenever the process stops for more than half an Interval after
// Next, the first Step asks, and the verdict comes exactly Probes × Interval
// later, which is less than a Bound.
func TestPause(t *testing.T) {
	random(t, func(t *testing.T, r *rand.Rand) {
		cfg := randomConfig(r)
		d := NewSchedule(cfg, epoch)
		for range r.IntN(cfg.Probes + 1) {
			d.Step(d.Next())
		}
		resumed := d.Next().Add(cfg.Interval/2 + 1 + upTo(r, time.Hour))
		if got := d.Step(resumed); got != Probe {
			t.Fatalf("%+v: the first Step after the pause returns %v, want a probe", cfg, got)
		}
		e := d.Evidence(resumed)
		if e.Pauses != 1 || e.Probes != 1 || !e.FirstProbe.Equal(resumed) || e.Late <= cfg.Interval/2 {
			t.Fatalf("%+v: evidence after the pause %+v", cfg, e)
		}
		for d.Step(d.Next()) != Dead {
		}
		if got, want := d.Next().Sub(resumed), time.Duration(cfg.Probes)*cfg.Interval; got != want {
			t.Fatalf("%+v: dead %v after the resume, want %v", cfg, got, want)
		}
	})
}

// TestClockThatWasNotSet: a Detector made with the zero time must neither spin
// nor be deaf for ever once real times come.
func TestClockThatWasNotSet(t *testing.T) {
	d := NewSchedule(Default(), time.Time{})
	if got := d.Step(epoch); got != None || !d.Next().Equal(epoch.Add(Default().Idle)) {
		t.Errorf("Step returns %v, Next %v, want to begin again", got, d.Next())
	}
}

func TestNothingAllocates(t *testing.T) {
	d := NewSchedule(Default(), epoch)
	now := epoch
	if n := testing.AllocsPerRun(1000, func() {
		d.Heard(now)
		now = d.Next()
		d.Step(now)
		d.Evidence(now)
	}); n != 0 {
		t.Errorf("a round allocates %v times", n)
	}
}

// TestSize: the broker keeps one Detector per connection.
func TestSize(t *testing.T) {
	if size := unsafe.Sizeof(Schedule{}); size > 100 {
		t.Errorf("a Schedule takes %d bytes, want at most 100", size)
	}
}

// upTo returns a random span from 0 to limit.
func upTo(r *rand.Rand, limit time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(limit) + 1))
}
