package heartbeat

import (
	"math/rand/v2"
	"testing"
	"time"
)

// methods are all Methods, in their defaults and at their edges.
var methods = map[string]Method{
	"default":            Config{},
	"lesson":             Lesson(),
	"within 20ms":        Within(20 * time.Millisecond),
	"chen":               Chen{},
	"chen, edgy":         Chen{Interval: 200 * time.Millisecond, Margin: 30 * time.Millisecond, Window: 1},
	"chen, patient":      Chen{Interval: 100 * time.Millisecond, Margin: 3 * time.Second},
	"phi":                Phi{},
	"phi, edgy":          Phi{Threshold: 3, Pause: -1, MinDeviation: 20 * time.Millisecond, Window: 2},
	"phi, low":           Phi{Threshold: 0.1, Pause: 500 * time.Millisecond},
	"objective":          Objective{Within: 2 * time.Second},
	"objective 20ms":     Objective{Within: 20 * time.Millisecond, Recurrence: time.Hour},
	"objective datagram": Objective{Within: time.Second, Datagrams: true},
}

// conform runs a test for all Methods.
func conform(t *testing.T, f func(t *testing.T, m Method, r *rand.Rand)) {
	for name, m := range methods {
		t.Run(name, func(t *testing.T) {
			if err := m.Validate(); err != nil {
				t.Fatal(err)
			}
			f(t, m, rand.New(rand.NewPCG(1, uint64(len(name)))))
		})
	}
}

// answering drives a Detector whose peer answers each probe after a round trip,
// until the time is up. Each Step is late by up to what late says.
func answering(t *testing.T, d Detector, from, until time.Time, trip func() time.Duration, late func() time.Duration) time.Time {
	type answer struct{ sent, at time.Time }
	var answers []answer
	now := from
	for now.Before(until) {
		next := d.Next().Add(late())
		if len(answers) > 0 && !answers[0].at.After(next) {
			a := answers[0]
			answers = answers[1:]
			now = a.at
			d.Answered(a.sent, now)
			continue
		}
		if next.After(now) {
			now = next
		}
		switch d.Step(now) {
		case Dead:
			t.Fatalf("dead at %v, though it answers: %+v", now.Sub(from), d.Evidence(now))
		case Probe:
			answers = append(answers, answer{now, now.Add(trip())})
		}
		if !d.Next().After(now) {
			t.Fatalf("Next %v is not after the Step at %v: the caller would spin", since(d.Next()), since(now))
		}
	}
	return now
}

func none() time.Duration { return 0 }

// brisk are round trips that are short for the Method.
func brisk(m Method, r *rand.Rand) func() time.Duration {
	most := min(m.Bound()/50, 20*time.Millisecond)
	return func() time.Duration { return 1 + time.Duration(r.Int64N(int64(most))) }
}

// An answering peer is never accused, and when it ends, Dead comes within what
// was promised then, is final, and rests on evidence that makes sense.
func TestConformDeath(t *testing.T) {
	conform(t, func(t *testing.T, m Method, r *rand.Rand) {
		for round := range 20 {
			d := m.Detector(epoch)
			if got := d.Promise().Bound; got != m.Bound() {
				t.Fatalf("promises %v before anything was measured, want the Method's Bound %v", got, m.Bound())
			}
			now := answering(t, d, epoch, epoch.Add(m.Bound()*time.Duration(1+10*round)), brisk(m, r), none)
			now = now.Add(time.Microsecond)
			d.Heard(now)
			heard, bound := now, d.Promise().Bound
			probes := 0
			for d.State() != StateDead {
				now = d.Next()
				before := d.Evidence(now)
				switch d.Step(now) {
				case Probe:
					probes++
				case Dead:
					if before.Probes == 0 {
						t.Fatal("dead without having been asked")
					}
				}
			}
			if took := now.Sub(heard); took > bound {
				t.Errorf("dead after %v, promised %v", took, bound)
			}
			e := d.Evidence(now)
			if !e.LastHeard.Equal(heard) || e.Silence != now.Sub(heard) || e.Probes != probes || e.Pauses != 0 || e.Late != 0 ||
				e.FirstProbe.Before(heard) || e.LastProbe.Before(e.FirstProbe) || e.LastProbe.After(now) {
				t.Errorf("%d probes, evidence %+v", probes, e)
			}
			d.Heard(now.Add(time.Second))
			d.Answered(now, now.Add(time.Second))
			d.Resumed(now.Add(time.Second))
			d.Hint(now.Add(time.Second))
			if d.Step(now.Add(time.Hour)) != Dead || d.Step(epoch) != Dead || d.State() != StateDead || d.Evidence(now) != e {
				t.Error("Dead is not final")
			}
		}
	})
}

// Neither Steps that are as late as is tolerated, nor a process that stands
// still for any time at any moment, lead to an alarm, though the Step comes
// before the answers that were waiting are read. A peer that ended meanwhile is
// found within what is promised, from the first Step on.
func TestConformLocalPause(t *testing.T) {
	conform(t, func(t *testing.T, m Method, r *rand.Rand) {
		for range 50 {
			d := m.Detector(epoch)
			pause := func() time.Duration {
				if r.IntN(10) > 0 {
					return 0
				}
				return time.Duration(r.Int64N(int64(time.Minute)))
			}
			answering(t, d, epoch, epoch.Add(50*m.Bound()), brisk(m, r), pause)
			bound := d.Promise().Bound
			now := d.Next().Add(bound)
			resumed := now
			for d.Step(now) != Dead {
				now = d.Next()
			}
			if took := now.Sub(resumed); took > bound {
				t.Errorf("dead %v after the resume, promised %v", took, bound)
			}
			if d.Evidence(now).Pauses == 0 {
				t.Error("no pause in the evidence")
			}
		}
	})
}

// Bytes that answer nothing are life as well, and a Detector that hears them
// all the time raises no alarm, while no PONG comes.
func TestConformAnyByteIsLife(t *testing.T) {
	conform(t, func(t *testing.T, m Method, r *rand.Rand) {
		d := m.Detector(epoch)
		for now := epoch; now.Before(epoch.Add(100 * m.Bound())); now = now.Add(m.Bound() / 20) {
			for !d.Next().After(now) {
				if d.Step(d.Next()) == Dead {
					t.Fatal("dead, though bytes come")
				}
			}
			d.Heard(now)
		}
	})
}

// A hint and a resume have a probe sent at once.
func TestConformAskAtOnce(t *testing.T) {
	conform(t, func(t *testing.T, m Method, r *rand.Rand) {
		for name, call := range map[string]func(Detector, time.Time){"Hint": Detector.Hint, "Resumed": Detector.Resumed} {
			d := m.Detector(epoch)
			now := epoch.Add(m.Bound() / 10)
			call(d, now)
			if next := d.Next(); next.After(now) {
				t.Errorf("%s: Next is %v later", name, next.Sub(now))
			}
			if got := d.Step(now); got != Probe {
				t.Errorf("%s: Step returns %v, want a probe", name, got)
			}
		}
	})
}

// Times that jump in any direction neither panic nor make the caller spin, and
// the evidence keeps making sense.
func TestConformAnyTimes(t *testing.T) {
	conform(t, func(t *testing.T, m Method, r *rand.Rand) {
		for range 300 {
			d, now := m.Detector(epoch), epoch
			for range 100 {
				anyCall(t, d, byte(r.IntN(7)), &now, time.Duration(r.NormFloat64()*float64(m.Bound())))
			}
		}
	})
}

// A Detector made with the zero time neither spins nor is deaf for ever once
// real times come.
func TestConformClockThatWasNotSet(t *testing.T) {
	conform(t, func(t *testing.T, m Method, _ *rand.Rand) {
		d := m.Detector(time.Time{})
		if got := d.Step(epoch); got == Dead || !d.Next().After(epoch) || d.Next().Sub(epoch) > m.Bound() {
			t.Errorf("Step returns %v, Next %v", got, d.Next())
		}
	})
}

// A Step at its time allocates nothing.
func TestConformAllocations(t *testing.T) {
	conform(t, func(t *testing.T, m Method, _ *rand.Rand) {
		d := m.Detector(epoch)
		for range 2000 { // windows are full
			now := d.Next()
			d.Step(now)
			d.Answered(now, now.Add(time.Microsecond))
		}
		if n := testing.AllocsPerRun(10, func() {
			now := d.Next()
			d.Step(now)
			d.Answered(now, now.Add(time.Microsecond))
			d.Evidence(now)
		}); n != 0 {
			t.Errorf("a round allocates %v times", n)
		}
	})
}

func TestConformDetectorPanicsOnAnInvalidMethod(t *testing.T) {
	for _, m := range []Method{Config{Idle: -1}, Chen{Interval: -1}, Phi{Window: -1}, Objective{}} {
		func() {
			defer func() {
				if _, ok := recover().(*ConfigError); !ok {
					t.Errorf("%+v: Detector did not panic with a *ConfigError", m)
				}
			}()
			m.Detector(epoch)
		}()
	}
}
