package heartbeat

import (
	"errors"
	"testing"
	"time"
)

func TestNearer(t *testing.T) {
	const s = time.Second
	for _, tc := range []struct {
		cfg  Config
		want bool
	}{
		{Config{}, false},
		{Default(), false},
		{Lesson(), false},
		{Within(20 * time.Millisecond), false},
		{Config{s, 2 * s, 3, 0}, false},
		{Config{s, 2*s + 2, 3, 0}, true},
		{Config{s, 3 * s, 2, 0}, true},
		{Config{s, 3 * s, 2, s}, false}, // a Step each second
		{Config{s, 3 * s, 2, 3 * s}, true},
	} {
		if got := tc.cfg.Nearer(); got != tc.want {
			t.Errorf("%+v: %v, want %v", tc.cfg, got, tc.want)
		}
	}
}

// An Objective chooses no Config whose Next a byte can bring forward too far.
func TestObjectiveIsNeverNearer(t *testing.T) {
	for _, within := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second, time.Minute} {
		for _, datagrams := range []bool{false, true} {
			for _, p := range []float64{0, 1e-6, 0.01, 0.1, 0.3, 0.9, 1} {
				o := Objective{Within: within, Datagrams: datagrams}
				if err := o.Validate(); err != nil {
					if _, ok := errors.AsType[*ConfigError](err); !ok {
						t.Fatal(err)
					}
					continue
				}
				for _, slow := range []time.Duration{time.Millisecond, within / 4, within, 10 * within} {
					cfg, _ := o.Configure(func(d time.Duration) float64 {
						if d < slow {
							return 1
						}
						return p
					})
					if err := cfg.Validate(); err != nil || cfg.Nearer() {
						t.Errorf("%+v, %v lost after %v: %+v, %v", o, p, slow, cfg, err)
					}
				}
			}
		}
	}
}
