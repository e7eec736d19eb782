package heartbeat

import (
	"errors"
	"math"
	"testing"
	"testing/quick"
	"time"
)

func TestPresets(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name  string
		cfg   Config
		want  Config
		bound time.Duration
	}{
		{"Within(2s)", Within(2 * time.Second), Config{900 * ms, 300 * ms, 3, 75 * ms}, 1800 * time.Millisecond},
		{"Default", Default(), Within(2 * time.Second), 1800 * time.Millisecond},
		{"Lesson", Lesson(), Config{10 * time.Second, 3 * time.Second, 3, 0}, 19 * time.Second},
		{"zero", Config{}.WithDefaults(), Default(), 1800 * time.Millisecond},
		{"Within(1s)", Within(time.Second), Config{450 * ms, 150 * ms, 3, 50 * ms}, 900 * ms},
		{"Within(660ms)", Within(660 * ms), Config{297 * ms, 99 * ms, 3, 0}, 594 * ms},
		{"Within(10s)", Within(10 * time.Second), Config{4500 * ms, 1500 * ms, 3, 100 * ms}, 9 * time.Second},
		{"Within(1h)", Within(time.Hour), Config{27 * time.Minute, 9 * time.Minute, 3, 27 * time.Second}, 54 * time.Minute},
		{"not zero", Lesson().WithDefaults(), Lesson(), 19 * time.Second},
		{"smallest", Within(20 * time.Millisecond), Config{9 * ms, 3 * ms, 3, 0}, 18 * time.Millisecond},
	}
	for _, tt := range tests {
		if tt.cfg != tt.want {
			t.Errorf("%s = %+v, want %+v", tt.name, tt.cfg, tt.want)
		}
		if got := tt.cfg.Bound(); got != tt.bound {
			t.Errorf("%s: Bound = %v, want %v", tt.name, got, tt.bound)
		}
		if err := tt.cfg.Validate(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if got, want := (Config{}).Bound(), Default().Bound(); got != want {
		t.Errorf("the zero Config has Bound %v, want that of Default, %v", got, want)
	}
}

// TestWithinKeepsItsWord: whatever d is, the Config either keeps it, with
// headroom for one tolerated lateness, or is refused because d is too small.
func TestWithinKeepsItsWord(t *testing.T) {
	keeps := func(d time.Duration) bool {
		cfg := Within(d)
		if d < 20*time.Millisecond {
			return cfg.Validate() != nil
		}
		return cfg.Validate() == nil && cfg.Bound()+cfg.Interval/2 <= d && cfg.Bound() > d/10*9-20
	}
	for _, d := range []time.Duration{math.MinInt64, -1, 0, 1, 19, 20, 20*time.Millisecond - 1, 20 * time.Millisecond,
		time.Second/3 + 7, 2 * time.Second, 24 * time.Hour} {
		if !keeps(d) {
			t.Errorf("Within(%v) = %+v, bound %v, %v", d, Within(d), Within(d).Bound(), Within(d).Validate())
		}
	}
	if err := quick.Check(func(n uint32, unit uint8) bool {
		return keeps(time.Duration(n) << (unit % 20))
	}, nil); err != nil {
		t.Error(err)
	}
	if Within(math.MaxInt64).Validate() == nil {
		t.Error("Within(292 years) is valid although its Bound is beyond the horizon")
	}
}

func TestValidate(t *testing.T) {
	const s = time.Second
	tests := []struct {
		cfg  Config
		want string // "" is valid
	}{
		{Config{}, ""},
		{Config{3 * time.Millisecond, 3 * time.Millisecond, 1, 0}, ""},
		{Config{s, s, 1000, 0}, ""},
		{Config{horizon - s, s, 1, 0}, ""},
		{Config{0, s, 3, 0}, "heartbeat: config: Idle is 0s, the smallest possible is 3ms (the smallest Within is 20ms)"},
		{Config{-s, s, 3, 0}, "heartbeat: config: Idle is -1s, the smallest possible is 3ms (the smallest Within is 20ms)"},
		{Config{s, 0, 3, 0}, "heartbeat: config: Interval is 0s, the smallest possible is 3ms (the smallest Within is 20ms)"},
		{Within(10 * time.Millisecond), "heartbeat: config: Interval is 1.5ms, the smallest possible is 3ms (the smallest Within is 20ms)"},
		{Config{s, s, 0, 0}, "heartbeat: config: Probes is 0, possible are 1 to 1000"},
		{Config{s, s, -1, 0}, "heartbeat: config: Probes is -1, possible are 1 to 1000"},
		{Config{s, s, 1001, 0}, "heartbeat: config: Probes is 1001, possible are 1 to 1000"},
		{Config{math.MaxInt64, s, 1, 0}, "heartbeat: config: Idle is 2562047h47m16.854775807s, " +
			"the largest possible is 1281023h53m38.427387903s"},
		{Config{horizon - s, s + 2, 1, 0}, "heartbeat: config: Interval is 1.000000002s, " +
			"the largest possible is 1s with Idle 1281023h53m37.427387903s and Probes 1"},
		{Config{s, math.MaxInt64, 1000, 0}, "heartbeat: config: Interval is 2562047h47m16.854775807s, " +
			"the largest possible is 1281h1m26.017427387s with Idle 1s and Probes 1000"},
		{Config{s, s, 3, 4 * time.Millisecond}, ""},
		{Config{s, s, 3, s}, ""},
		{Config{s, s, 3, -1}, "heartbeat: config: Burst is -1ns, possible are 0, which is none, and 3ms to Interval, 1s"},
		{Config{s, s, 3, 1}, "heartbeat: config: Burst is 1ns, possible are 0, which is none, and 3ms to Interval, 1s"},
		{Config{s, s, 3, s + 1}, "heartbeat: config: Burst is 1.000000001s, possible are 0, which is none, and 3ms to Interval, 1s"},
		{Config{s, s, 4, 4 * time.Millisecond}, "heartbeat: config: Burst is 4ms, which is more than 1000 probes in one silence with Interval 1s and Probes 4"},
	}
	for _, tt := range tests {
		err := tt.cfg.Validate()
		if tt.want == "" {
			if err != nil {
				t.Errorf("%+v: %v", tt.cfg, err)
			}
			continue
		}
		if _, ok := errors.AsType[*ConfigError](err); !ok {
			t.Errorf("%+v: error %v is a %T, want a *ConfigError", tt.cfg, err, err)
		} else if err.Error() != tt.want {
			t.Errorf("%+v:\n got %v\nwant %v", tt.cfg, err, tt.want)
		}
	}
}

func TestNewPanicsOnAnInvalidConfig(t *testing.T) {
	defer func() {
		if _, ok := recover().(*ConfigError); !ok {
			t.Error("New did not panic with a *ConfigError")
		}
	}()
	NewSchedule(Config{Idle: -1}, epoch)
}

func TestString(t *testing.T) {
	for got, want := range map[string]string{
		None.String(): "none", Probe.String(): "probe", Dead.String(): "dead", Action(9).String(): "Action(9)",
		StateAlive.String(): "alive", StateSuspect.String(): "suspect", StateDead.String(): "dead", State(9).String(): "State(9)",
	} {
		if got != want {
			t.Errorf("String is %q, want %q", got, want)
		}
	}
}
