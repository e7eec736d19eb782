package qos

import (
	"context"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"vigil/heartbeat"
)

// playsForLong skips a test under the race detector that plays many days in one
// goroutine.
func playsForLong(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("long statistics; TestMeasureAgain has the concurrency")
	}
}

func find(t *testing.T, model, detector string) (Model, Detector) {
	t.Helper()
	m, ok := FindModel(model)
	d, ok2 := FindDetector(detector)
	if !ok || !ok2 {
		t.Fatalf("no model %q or no detector %q", model, detector)
	}
	return m, d
}

// A measurement depends on its arguments alone, not on what runs beside it, and
// another seed is another one.
func TestMeasureAgain(t *testing.T) {
	cells := Cells(Models(), Detectors())
	length := Length{Days: 0.02, Kills: 4, Seed: 7}
	results, err := Run(t.Context(), cells, length, func(int, Cell) {})
	if err != nil {
		t.Fatal(err)
	}
	differ := 0
	for i, c := range cells {
		// Functions cannot be compared.
		plain := func(r Result) Result { r.Model, r.Detector = Model{}, Detector{}; return r }
		if got := Measure(c.Model, c.Detector, length); !reflect.DeepEqual(plain(got), plain(results[i])) {
			t.Errorf("%s, %s: %+v and %+v", c.Model.Name, c.Detector.Name, plain(got), plain(results[i]))
		}
		if got := Measure(c.Model, c.Detector, Length{Days: 0.02, Kills: 4, Seed: 8}); got.Detection != results[i].Detection {
			differ++
		}
	}
	if differ != len(cells) {
		t.Errorf("another seed changed %d of %d", differ, len(cells))
	}
}

func TestRunIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := 0
	_, err := Run(ctx, Cells(Models(), Detectors()), Length{Days: 0.1, Kills: 1, Seed: 1}, func(n int, _ Cell) {
		done = n
		cancel()
	})
	if err != context.Canceled || done > 50 {
		t.Errorf("error %v behind %d cells", err, done)
	}
}

// Where all goes well, T_D is known: a peer that ends at any moment between two
// answers is found a Bound behind the first of them.
func TestDetectionTime(t *testing.T) {
	m, d := find(t, "delay-constant", "default")
	r := Measure(m, d, Length{Days: 1, Kills: 4000, Seed: 1})
	c := heartbeat.Default()
	const trip = 50 * ms
	// The silence at the end is from -trip/2, when the last answer is still on
	// its way, to Idle + trip/2.
	least, most := c.Bound()-c.Idle-trip/2, c.Bound()+trip/2
	if got := r.Detection; got.Min < least || got.Min > least+20*ms || got.Max > most || got.Max < most-20*ms || (got.Mean-(least+most)/2).Abs() > 20*ms {
		t.Errorf("T_D %+v, want from %v to %v", got, least, most)
	}
	if want := float64(datagramProbe+datagramAnswer) / (c.Idle + trip).Seconds(); r.Mistakes != 0 || r.Accuracy != 1 || math.Abs(r.BytesPerSecond-want) > 0.1 {
		t.Errorf("%+v, want %v bytes a second", r, want)
	}
}

// The formula of the configurator, of which each Recurrence is a promise, is
// exact for datagrams: as many alarms are raised as it says.
func TestRecurrenceAsComputed(t *testing.T) {
	playsForLong(t)
	for _, loss := range []float64{.1, .2, .3} {
		o := heartbeat.Objective{Within: time.Second, Recurrence: 10 * time.Minute, Datagrams: true}
		there := 1 - (1-loss)*(1-loss)
		const mean = 20 * ms
		c, promise := o.Configure(func(d time.Duration) float64 {
			return there + (1-there)*math.Exp(-float64(d)/float64(mean))
		})
		m := lossyDatagrams(int(100*loss + 0.5))
		r := Measure(m, schedule("configured", "", c), Length{Days: 20, Seed: 1})
		// Idle and a round trip lie between two silences, or most of a Bound.
		period := (float64(c.Idle) + float64(mean) + there*float64(c.Interval)) / float64(c.Idle)
		want := r.Days * 24 * float64(time.Hour) / (float64(promise.Recurrence) * period)
		if low, high := want*0.95-4*math.Sqrt(want), want*1.05+4*math.Sqrt(want); float64(r.Mistakes) < low || float64(r.Mistakes) > high {
			t.Errorf("loss %v, %+v: %d alarms in %v days, want %.0f", loss, c, r.Mistakes, r.Days, want)
		}
		t.Logf("loss %v, %+v: %d alarms in %v days, computed %.0f", loss, c, r.Mistakes, r.Days, want)
	}
}

// nfds is the detector of Chen, Toueg and Aguilera to which their theorem 5
// belongs: heartbeats are sent unasked each eta, and at i × eta + delta one with
// number i or later must have arrived.
type nfds struct{ eta, delta float64 }

// recurrence is E(T_MR) after the theorem, for the loss pL and exponential
// delays with a mean.
func (n nfds) recurrence(loss, mean float64) float64 {
	late := func(d float64) float64 { return loss + (1-loss)*math.Exp(-max(d, 0)/mean) }
	u0 := 1.0
	for j := range int(math.Ceil(n.delta/n.eta)) + 1 {
		u0 *= late(n.delta - float64(j)*n.eta)
	}
	q0 := (1 - loss) * (1 - math.Exp(-(n.delta+n.eta)/mean))
	return n.eta / (q0 * u0)
}

// play counts the mistakes in a number of heartbeats.
func (n nfds) play(r *rand.Rand, loss, mean float64, beats int) (mistakes int) {
	ahead := int(math.Ceil(n.delta / n.eta))
	arrivals := make([]float64, beats+ahead+1)
	for i := range arrivals {
		arrivals[i] = float64(i)*n.eta + r.ExpFloat64()*mean
		if r.Float64() < loss {
			arrivals[i] = math.Inf(1)
		}
	}
	trusted := true
	for i := range beats {
		at, end := float64(i)*n.eta+n.delta, float64(i+1)*n.eta+n.delta
		first := math.Inf(1) // of those that count within [at, end)
		for j := i; j <= i+ahead; j++ {
			first = min(first, arrivals[j])
		}
		if trusted && first > at {
			mistakes++
		}
		trusted = first < end
	}
	return mistakes
}

// The theory that all this rests on, against its own published example, against
// what follows from it, and against chance.
func TestChenTheorem(t *testing.T) {
	// T_D ≤ 30 s, one mistake in 30 days: eta 9.97 s and delta 20.03 s.
	if got := (nfds{9.97, 20.03}).recurrence(0.01, 0.02) / 86400; math.Abs(got-55.5) > 0.5 {
		t.Errorf("E(T_MR) of the paper's example is %.1f days, want 55.5", got)
	}
	for _, n := range []nfds{{1, 0.5}, {1, 1.5}, {0.5, 1.2}} {
		const loss, mean, beats = 0.1, 0.1, 2_000_000
		got := n.play(rand.New(rand.NewPCG(1, 1)), loss, mean, beats)
		want := beats * n.eta / n.recurrence(loss, mean)
		if math.Abs(float64(got)-want) > 4*math.Sqrt(want)+0.01*want {
			t.Errorf("%+v: %d mistakes, want %.0f", n, got, want)
		}
	}
}

// What the project promises of its default: two seconds, and at 1 % loss or with
// ten pauses of our own a day no false alarm in 30 days.
func TestDefaultKeepsItsWord(t *testing.T) {
	playsForLong(t)
	for _, name := range []string{"datagram-1%", "stream-1%", "local-pauses", "local-pauses-long", "congestion", "jitter", "delay-pareto"} {
		m, d := find(t, name, "default")
		r := Measure(m, d, Length{Days: 30, Kills: 2000, Seed: 1})
		if r.Mistakes > 0 || r.Missed > 0 {
			t.Errorf("%s: %d false alarms, %d deaths missed", name, r.Mistakes, r.Missed)
		}
		if bound := 2 * time.Second; r.Detection.P99 > bound {
			t.Errorf("%s: found within %v, want %v", name, r.Detection.P99, bound)
		}
	}
}

// Doubting oneself first makes the difference that Lifeguard was measured by: 50
// times fewer false alarms of a process that stands still at times.
func TestGuard(t *testing.T) {
	playsForLong(t)
	for _, name := range []string{"local-pauses", "local-pauses-long"} {
		m, guarded := find(t, name, "default")
		_, not := find(t, name, "unguarded")
		length := Length{Days: 60, Seed: 1}
		with, without := Measure(m, guarded, length), Measure(m, not, length)
		if with.Mistakes*50 > without.Mistakes || without.Mistakes < 50 {
			t.Errorf("%s: %d false alarms with the guard, %d without", name, with.Mistakes, without.Mistakes)
		}
	}
}

// An objective keeps its recurrence, within what chance explains, wherever it says
// that it does, or at least is as good as the default.
func TestObjectiveKeepsItsWord(t *testing.T) {
	playsForLong(t)
	const days = 4
	for _, m := range Models() {
		d, _ := FindDetector("objective")
		w := newWorld(m, d, 1, 0)
		alarms, promised := 0, 0.0
		for w.now < days*day {
			from := w.now
			p := w.watcher.(heartbeat.Detector).Promise()
			if w.play(min(w.now+time.Minute, days*day), false) {
				alarms++
				w.renew()
			}
			if p.Recurrence > 0 {
				promised += float64(w.now-from) / float64(p.Recurrence)
			}
		}
		plain, _ := FindDetector("default")
		if r := Measure(m, plain, Length{Days: days, Seed: 1}); float64(alarms) > promised+3*math.Sqrt(promised)+3 && alarms > r.Mistakes {
			t.Errorf("%s: %d false alarms, %.1f promised, %d with the default", m.Name, alarms, promised, r.Mistakes)
		}
		t.Logf("%s: %d false alarms in 4 days, %.2f promised", m.Name, alarms, promised)
	}
}
