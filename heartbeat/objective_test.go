package heartbeat

import (
	"math"
	"testing"
	"time"
)

// exponentialTail is exact for round trips with an exponential distribution.
func exponentialTail(loss float64, mean time.Duration) Tail {
	return func(d time.Duration) float64 {
		return loss + (1-loss)*math.Exp(-float64(d)/float64(mean))
	}
}

const days30 = 30 * 24 * time.Hour

// What is chosen keeps what was asked, by the formula of the comment computed
// anew, sends less the more it is allowed, and is the same whatever is known of
// the distribution, or dearer.
func TestConfigureDatagrams(t *testing.T) {
	cost := 0.0
	for _, loss := range []float64{0, 0.01, 0.05, 0.10, 0.20} {
		o := Objective{Within: 2 * time.Second, Datagrams: true}
		tail := exponentialTail(loss, 20*time.Millisecond)
		c, p := o.Configure(tail)
		if err := c.Validate(); err != nil {
			t.Fatalf("loss %v: %+v: %v", loss, c, err)
		}
		alarm := 1.0
		for j := 1; j <= c.Probes; j++ {
			alarm *= tail(time.Duration(j) * c.Interval)
		}
		if want := time.Duration(min(float64(c.Idle)/alarm, float64(horizon))); p.Broken || p.Recurrence < days30 || math.Abs(float64(p.Recurrence-want)) > 1e-9*float64(want) {
			t.Errorf("loss %v: promise %+v, computed %v", loss, p, want)
		}
		if c.Bound() > 1800*time.Millisecond || p.Bound != c.Bound() {
			t.Errorf("loss %v: %+v has Bound %v, promised %v", loss, c, c.Bound(), p.Bound)
		}
		if c.cost(tail) < cost {
			t.Errorf("loss %v costs %v probes a second, less loss %v", loss, c.cost(tail), cost)
		}
		cost = c.cost(tail)
		t.Logf("loss %v: %+v, %.2f probes/s, once in %.0f days", loss, c, cost, p.Recurrence.Hours()/24)

		safe, promise := o.Configure(Cantelli(loss, 20*time.Millisecond, 20*time.Millisecond))
		if promise.Broken || safe.cost(tail) < cost || o.recurrence(safe, tails{single: tail, silence: never}) < days30 {
			t.Errorf("loss %v: without the distribution %+v, promise %+v", loss, safe, promise)
		}
	}
}

// A stream has one chance a silence: Idle / P(nothing comes within the round).
func TestConfigureStream(t *testing.T) {
	o := Objective{Within: 2 * time.Second}
	// One in a million answers takes more than 0.6 s, one in a thousand million
	// more than 1.4 s.
	tail := func(d time.Duration) float64 {
		switch {
		case d > 1400*time.Millisecond:
			return 1e-9
		case d > 600*time.Millisecond:
			return 1e-6
		default:
			return 1e-3
		}
	}
	c, p := o.Configure(tail)
	if round := time.Duration(c.Probes) * c.Interval; p.Broken || round <= 1400*time.Millisecond || round > 1500*time.Millisecond {
		t.Errorf("%+v, promise %+v: want the shortest round above 1.4 s", c, p)
	}
	o.Recurrence = 24 * time.Hour / 10
	if c, p := o.Configure(tail); p.Broken || 3*c.Interval <= 600*time.Millisecond || 3*c.Interval > 650*time.Millisecond || c.Burst == 0 {
		t.Errorf("%+v, promise %+v: want the shortest round above 0.6 s", c, p)
	}
}

// What cannot be kept is not promised: the Bound grows until the Recurrence is
// kept, and at ten times what was asked the Recurrence that is left is said.
func TestConfigureBroken(t *testing.T) {
	for _, o := range []Objective{{Within: time.Second}, {Within: time.Second, Datagrams: true}} {
		slow := exponentialTail(0, 200*time.Millisecond)
		if o.Datagrams {
			slow = exponentialTail(0.6, 50*time.Millisecond)
		}
		c, p := o.Configure(slow)
		if !p.Broken || p.Recurrence < days30 || p.Bound <= time.Second || p.Bound > 6*time.Second || c.Bound() != p.Bound || c.Validate() != nil {
			t.Errorf("%+v: %+v, promise %+v: want a longer Bound that keeps 30 days", o, c, p)
		}
		c, p = o.Configure(func(time.Duration) float64 { return 0.9 })
		if !p.Broken || p.Recurrence > 15*time.Minute || c.Bound() != p.Bound || c.Bound() > 9*time.Second || c.Bound() < 8*time.Second || c.Validate() != nil {
			t.Errorf("%+v: %+v, promise %+v: want ten times the Bound, and to be told that it does not help", o, c, p)
		}
	}
}

func TestCantelli(t *testing.T) {
	tail := Cantelli(0.1, 20*time.Millisecond, 10*time.Millisecond)
	for d, want := range map[time.Duration]float64{
		-time.Second: 1, 0: 1, 20 * time.Millisecond: 1,
		30 * time.Millisecond: 0.1 + 0.9/2, 50 * time.Millisecond: 0.1 + 0.9/10,
	} {
		if got := tail(d); math.Abs(got-want) > 1e-12 {
			t.Errorf("Late(%v) is %v, want %v", d, got, want)
		}
	}
}

// attend drives a Detector for a number of silences, of which each begins with
// a byte; answer says how late each probe is answered, lost if not at all.
func attend(d Detector, now time.Time, silences int, answer func(silence, probe int) time.Duration) time.Time {
	for i := range silences {
		type flight struct{ sent, at time.Time }
		var under []flight
		for probe, heard := 0, false; !heard; {
			next, which := d.Next(), -1
			for i, f := range under {
				if f.at.Before(next) {
					next, which = f.at, i
				}
			}
			now = next
			if which >= 0 {
				d.Answered(under[which].sent, now)
				heard = true
				continue
			}
			switch d.Step(now) {
			case Dead:
				return now
			case Probe:
				if late := answer(i, probe); late != lost {
					under = append(under, flight{now, now.Add(late)})
				}
				probe++
			}
		}
	}
	return now
}

// On a good network the objective probes less than Within, on a bad one more,
// and says what it keeps.
func TestObjectiveLearns(t *testing.T) {
	const ms = time.Millisecond
	clean := func(int, int) time.Duration { return 20 * ms }
	lossy := func(every int) func(int, int) time.Duration {
		return func(silence, probe int) time.Duration {
			if silence%every == 0 && probe == 0 {
				return lost
			}
			return 20 * ms
		}
	}
	torn := func(silence, probe int) time.Duration { // a stream that loses
		switch {
		case silence%50 == 0:
			return 220 * ms
		case silence%5 == 0:
			return 100 * ms
		}
		return 20 * ms
	}
	for _, tt := range []struct {
		name     string
		o        Objective
		answer   func(int, int) time.Duration
		silences int
		broken   bool
		idle     [2]time.Duration
	}{
		{"stream, not known yet", Objective{Within: 2 * time.Second}, clean, 31, false, [2]time.Duration{900 * ms, 900 * ms}},
		{"stream, clean", Objective{Within: 2 * time.Second}, clean, 1000, false, [2]time.Duration{1300 * ms, 1400 * ms}},
		{"stream, a tenth late", Objective{Within: 2 * time.Second}, torn, 3000, true, [2]time.Duration{100 * ms, 2 * time.Second}},
		{"datagrams, clean", Objective{Within: 2 * time.Second, Datagrams: true}, clean, 1000, false, [2]time.Duration{1200 * ms, 1400 * ms}},
		{"datagrams, one in 20 lost", Objective{Within: 2 * time.Second, Datagrams: true}, lossy(20), 3000, false, [2]time.Duration{900 * ms, 1400 * ms}},
		{"datagrams, one in 3 lost", Objective{Within: 2 * time.Second, Datagrams: true}, lossy(3), 3000, false, [2]time.Duration{300 * ms, 900 * ms}},
		{"datagrams, one in 2 lost", Objective{Within: 2 * time.Second, Datagrams: true}, lossy(2), 3000, true, [2]time.Duration{100 * ms, 4 * time.Second}},
	} {
		d := tt.o.Detector(epoch).(*objective)
		attend(d, epoch, tt.silences, tt.answer)
		p, c := d.Promise(), d.config()
		t.Logf("%s: %+v, promise %+v", tt.name, c, p)
		if p.Broken != tt.broken || c.Idle < tt.idle[0] || c.Idle > tt.idle[1] || p.Bound != c.Bound() {
			t.Errorf("%s: %+v, promise %+v", tt.name, c, p)
		}
		if known := tt.silences > 31; known != (p.Recurrence > 0) || !tt.broken && known && p.Recurrence < days30 {
			t.Errorf("%s: promises one alarm in %v", tt.name, p.Recurrence)
		}
		if c.Validate() != nil {
			t.Errorf("%s: %v", tt.name, c.Validate())
		}
	}
}

// A peer that stands still now and then for half a second makes the round
// longer, though hardly any of its answers is late; one such silence is forgiven.
func TestObjectivePeerPauses(t *testing.T) {
	const ms = time.Millisecond
	for pauses, want := range map[int]time.Duration{0: 500 * ms, 1: 500 * ms, 8: time.Minute} {
		d := Objective{Within: 2 * time.Second}.Detector(epoch).(*objective)
		attend(d, epoch, 4000, func(silence, probe int) time.Duration {
			if pauses > 0 && silence%(4000/pauses) == 100 && probe == 0 {
				return 400 * ms
			} else if pauses > 0 && silence%(4000/pauses) == 100 {
				return lost
			}
			return 20 * ms
		})
		if round := 3 * d.config().Interval; (round > 500*ms) != (want > 500*ms) {
			t.Errorf("%d pauses: a round of %v, promise %+v", pauses, round, d.Promise())
		}
	}
}

// What our own pauses did to the answers is not learnt.
func TestObjectiveIgnoresLocalPauses(t *testing.T) {
	for _, name := range []string{"Step first", "read first", "Resumed"} {
		d := Objective{Within: 2 * time.Second}.Detector(epoch).(*objective)
		attend(d, epoch, 1000, func(int, int) time.Duration { return 20 * time.Millisecond })
		want := d.silences
		for range 50 {
			now := d.Next()
			if d.Step(now) != Probe {
				t.Fatal("no probe")
			}
			now = now.Add(30 * time.Second)
			switch name {
			case "Step first":
				d.Step(now)
			case "Resumed":
				d.Resumed(now)
			}
			d.Heard(now.Add(time.Millisecond))
		}
		if d.silences != want {
			t.Errorf("%s: pauses were learnt", name)
		}
	}
}

// The next connection begins with what this one has learnt; a verdict from which
// the peer came back is a silence, and only several of them change anything.
func TestObjectiveSuccessor(t *testing.T) {
	d := Objective{Within: 2 * time.Second}.Detector(epoch)
	now := attend(d, epoch, 1000, func(int, int) time.Duration { return 20 * time.Millisecond })
	want := d.Promise()
	for i := range 6 {
		for d.Step(now) != Dead {
			now = d.Next()
		}
		now = now.Add(time.Second)
		d = d.(Learner).Successor(now)
		if d.State() != StateAlive || !d.Next().After(now) || !d.Evidence(now).LastHeard.Equal(now) {
			t.Fatalf("the successor is %v, Next %v", d.State(), since(d.Next()))
		}
		if got := d.Promise(); i == 0 && (got.Bound != want.Bound || got.Broken != want.Broken) {
			t.Errorf("one verdict changed the promise from %+v to %+v", want, d.Promise())
		}
	}
	if got := d.Promise(); !got.Broken || got.Bound < 2*time.Second {
		t.Errorf("six verdicts from which the peer came back leave the promise at %+v", got)
	}
}

func TestObjectiveValidate(t *testing.T) {
	for want, o := range map[string]Objective{
		"": {Within: time.Second},
		"Within is 0s, possible are 20ms to 1h0m0s":   {},
		"Within is -1s, possible are":                 {Within: -time.Second},
		"Within is 19ms, possible are 20ms":           {Within: 19 * time.Millisecond},
		"Within is 2h0m0s, possible are":              {Within: 2 * time.Hour},
		"Recurrence is 1ms, possible are Within, 1s,": {Within: time.Second, Recurrence: time.Millisecond},
		"Recurrence is -1ns":                          {Within: time.Second, Recurrence: -1},
		"Recurrence is 2562047h":                      {Within: time.Second, Recurrence: math.MaxInt64},
	} {
		wantConfigError(t, o, want)
	}
}
