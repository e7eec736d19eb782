package heartbeat

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// wantConfigError checks that a Method is refused with such a text, or not if
// that is empty.
func wantConfigError(t *testing.T, m Method, want string) {
	t.Helper()
	err := m.Validate()
	if want == "" {
		if err != nil {
			t.Errorf("%+v: %v", m, err)
		}
		return
	}
	if _, ok := errors.AsType[*ConfigError](err); !ok || !strings.HasPrefix(err.Error(), "heartbeat: config: "+want) {
		t.Errorf("%+v: error %v, want a *ConfigError with %q", m, err, want)
	}
}

// The verdict comes when a normal variable has the chance of 10^-Threshold to be
// later, which is what φ says.
func TestPhiThreshold(t *testing.T) {
	for _, threshold := range []float64{0.1, 1, 3, 8, 12, 100} {
		p := Phi{Threshold: threshold, Pause: -1, MinDeviation: time.Millisecond}.WithDefaults()
		const mean, deviation = 1.0, 0.2
		span := p.granted(mean, deviation, p.quantile()).Seconds()
		later := 0.5 * math.Erfc((span-mean)/deviation/math.Sqrt2)
		if got := -math.Log10(later); span > 1.003 && math.Abs(got-threshold) > threshold*1e-6 {
			t.Errorf("threshold %v: φ is %v at the verdict", threshold, got)
		}
	}
}

// Akka's defaults, on answers like clockwork: mean 1 s, pause 3 s, and 5.6 times
// the least deviation of 100 ms.
func TestPhiDefaults(t *testing.T) {
	d := Phi{}.Detector(epoch)
	now := epoch
	for range 1100 {
		now = now.Add(time.Second)
		d.Answered(now, now)
	}
	if got := d.Promise().Bound.Round(time.Millisecond); got != 4561*time.Millisecond {
		t.Errorf("grants %v, want 4.561s", got)
	}
	if got := (Phi{}).Bound().Round(time.Millisecond); got != 5403*time.Millisecond {
		t.Errorf("grants %v before anything was measured, want 5.403s: a deviation of 250 ms", got)
	}
}

// What a pause of our own did to the answers is not learnt, and data that is no
// answer neither.
func TestPhiLearnsFromAnswersAlone(t *testing.T) {
	d := Phi{Window: 10}.Detector(epoch).(*phi)
	now := epoch
	for range 20 {
		now = now.Add(time.Second)
		d.Answered(now, now)
		d.Heard(now.Add(10 * time.Millisecond))
	}
	want := d.Promise()
	d.Step(now.Add(time.Minute))
	d.Answered(now, now.Add(time.Minute+time.Millisecond))
	if got := d.Promise(); got != want {
		t.Errorf("promises %+v after a pause, want %+v", got, want)
	}
	d.Resumed(now.Add(2 * time.Minute))
	d.Answered(now, now.Add(2*time.Minute+time.Millisecond))
	if got := d.Promise(); got != want {
		t.Errorf("promises %+v after a suspend, want %+v", got, want)
	}
}

func TestPhiValidate(t *testing.T) {
	for want, p := range map[string]Phi{
		"": {},
		"Threshold is -1, possible are 0.1 to 100": {Threshold: -1},
		"Threshold is NaN, possible":               {Threshold: math.NaN()},
		"Interval is 2ms, possible are":            {Interval: 2 * time.Millisecond},
		"MinDeviation is 1µs, possible":            {MinDeviation: time.Microsecond},
		"Pause is 2h0m0s, the largest":             {Pause: 2 * time.Hour},
		"Window is 1, possible are 2 to 10000":     {Window: 1},
	} {
		wantConfigError(t, p, want)
	}
	wantConfigError(t, Phi{Pause: -1}, "")
}
