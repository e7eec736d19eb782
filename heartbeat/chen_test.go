package heartbeat

import (
	"testing"
	"time"
)

// The verdict comes Margin after the expected arrival: a mean round trip and an
// Interval behind the last answered probe, if that is behind the answer.
func TestChenFreshnessPoint(t *testing.T) {
	const ms = time.Millisecond
	d := Chen{Interval: 100 * ms, Margin: 50 * ms, Window: 2}.Detector(epoch).(*chen)
	at := func(x time.Duration) time.Time { return epoch.Add(x) }
	for i, tt := range []struct {
		sent, now, limit time.Duration
		why              string
	}{
		{100 * ms, 110 * ms, 260 * ms, "10 ms as the mean of one: expected when it came"},
		{200 * ms, 230 * ms, 380 * ms, "30 ms is later than the mean of 10 and 30 ms: counts from its arrival"},
		{300 * ms, 310 * ms, 470 * ms, "10 ms is sooner than the mean of 30 and 10 ms: as if it had come after 20"},
		{500 * ms, 400 * ms, 565 * ms, "an answer before its probe tells no round trip: 15 ms from now at most"},
	} {
		d.Answered(at(tt.sent), at(tt.now))
		if got := since(d.limit); i < 3 && got != tt.limit {
			t.Errorf("verdict due at %v, want %v: %s", got, tt.limit, tt.why)
		}
	}
	if got := since(d.limit); got != 570*ms {
		t.Errorf("verdict due at %v, want 570ms: no later than a mean round trip of 20 ms allows", got)
	}
	if want := (Promise{Bound: 170 * ms}); d.Promise() != want {
		t.Errorf("Promise %+v, want %+v", d.Promise(), want)
	}
}

// Each Interval in the Margin survives one more loss.
func TestChenLosses(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		margin  time.Duration
		survive int
	}{{50 * ms, 0}, {150 * ms, 1}, {250 * ms, 2}, {950 * ms, 9}} {
		for lost := range 12 {
			d := Chen{Interval: 100 * ms, Margin: tt.margin}.Detector(epoch)
			dead := false
			for probes := 0; probes < 20 && !dead; {
				now := d.Next()
				switch d.Step(now) {
				case Dead:
					dead = true
				case Probe:
					if probes++; probes <= 5 || probes > 5+lost {
						d.Answered(now, now.Add(ms))
					}
				}
			}
			if dead != (lost > tt.survive) {
				t.Errorf("margin %v, %d losses in a row: dead %v", tt.margin, lost, dead)
			}
		}
	}
}

func TestChenValidate(t *testing.T) {
	for want, c := range map[string]Chen{
		"":                                      {},
		"Interval is 2ms, possible are":         {Interval: 2 * time.Millisecond},
		"Margin is -1s, possible are":           {Margin: -time.Second},
		"Window is -1, possible are 1 to 10000": {Window: -1},
		"Window is 10001, possible are 1 to 10000": {Window: 10001},
	} {
		wantConfigError(t, c, want)
	}
}
