package heartbeat

import (
	"fmt"
	"math"
	"time"
)

const (
	// minSpan is the shortest Idle and Interval. Step may be late by half an
	// Interval, and less than 1.5 ms is nothing an ordinary scheduler keeps.
	minSpan = 3 * time.Millisecond

	// minWithin is the smallest argument of Within that leads to minSpan.
	minWithin = minSpan / 3 * 20

	// maxProbes bounds how often one silence is asked about. More is a flood.
	maxProbes = 1000

	// horizon bounds every span the detector computes with, some 146 years, so
	// that the sum of two spans cannot overflow.
	horizon time.Duration = math.MaxInt64 / 2
)

// Config says when to probe and when to give up. The zero Config means
// [Default] wherever a Config is taken; a Config of which only some fields are
// zero is refused. It is read-only after use.
type Config struct {
	// Idle is the silence after which the first probe is sent, at least 3 ms.
	// Shorter notices earlier and probes an idle connection more often: one
	// small message and its answer each Idle.
	Idle time.Duration

	// Interval is the time between two probes and between the last one and the
	// verdict, at least 3 ms. It must exceed the round trip. Half of it is also
	// how late Step may be before the detector doubts its own process.
	Interval time.Duration

	// Probes is how many probes stay unanswered before the verdict, from 1 to
	// 1000. More of them survive more loss and take longer.
	Probes int

	// Burst is how long a probe stays unanswered before another is sent besides
	// the schedule, and then again each Burst; 0 is never. The verdict does not
	// move. On TCP it mends what loss has torn: each later segment that arrives
	// has the kernel send the lost one again, instead of waiting for a timer
	// that starts at 200 ms and doubles. It costs nothing while the round trip
	// is shorter than Burst, and RTT / Burst more probes a silence where it is
	// longer. From 3 ms to Interval, and at most 1000 probes a silence in all.
	Burst time.Duration
}

// Default returns Within(2 * time.Second): a dead peer is known within two
// seconds, for one small message every 0.9 s of silence.
func Default() Config { return Within(2 * time.Second) }

// Lesson returns the configuration of the textbook program: probe after 10 s of
// silence, then each 3 s, dead after three probes, 19 s after the last byte.
func Lesson() Config {
	return Config{Idle: 10 * time.Second, Interval: 3 * time.Second, Probes: 3}
}

// Within returns the Config that finds a dead peer within d of its last byte.
// Its Bound is 90 % of d (Idle 45 %, three Intervals of 15 %); the rest is
// headroom for the caller's own scheduling, as a Step that is late by the
// tolerated half Interval takes 7.5 %. Burst is a quarter of Interval, but from
// 50 to 100 ms, or a twentieth of Interval if that is more; there is none with a
// d below 667 ms, of which an Interval is no two Bursts.
//
// A d below 20 ms gives a Config that Validate refuses.
func Within(d time.Duration) Config {
	part := d / 20
	return Config{Idle: 9 * part, Interval: 3 * part, Probes: 3, Burst: burstOf(3 * part)}
}

// burstOf returns the Burst that goes with an Interval.
func burstOf(interval time.Duration) time.Duration {
	if interval < 2*minBurst {
		return 0
	}
	return max(minBurst, min(interval/4, maxBurst), interval/20)
}

// Within's Burst: two or three fit into the 200 ms before the kernel's own
// timer gives up and slows down.
const (
	minBurst = 50 * time.Millisecond
	maxBurst = 100 * time.Millisecond
)

// WithDefaults returns c, or Default when c is the zero Config.
func (c Config) WithDefaults() Config {
	if c == (Config{}) {
		return Default()
	}
	return c
}

// Bound returns the worst case from the last byte heard to Dead when Step is
// called at Next every time: Idle + Probes × Interval. The lateness of the last
// Step comes on top, at most half an Interval; that of earlier ones does not.
// Bound means something only for a valid Config.
func (c Config) Bound() time.Duration {
	c = c.WithDefaults()
	return c.Idle + time.Duration(c.Probes)*c.Interval
}

// Detector returns a new Schedule.
func (c Config) Detector(now time.Time) Detector {
	d := NewSchedule(c, now)
	return &d
}

// Nearer reports whether a byte that is heard while a probe is unanswered can bring
// Next forward by more than Step may be late. It can if Idle is shorter than what
// lies between two Steps then, which is Burst, or without one Interval, by more than
// half an Interval. Whoever then only comes back at an older Next is taken for one
// that had stopped, and the verdict comes later than Bound: such a caller has to
// look at Next again when a byte comes.
func (c Config) Nearer() bool {
	c = c.WithDefaults()
	return c.Idle < c.leastIdle()
}

// leastIdle is the shortest Idle with which Nearer is false.
func (c Config) leastIdle() time.Duration {
	step := c.Interval
	if c.Burst > 0 {
		step = c.Burst
	}
	return step - c.Interval/2
}

// overdue returns how long a probe is unanswered before the peer is suspected:
// an Interval, less an eighth for the lateness of the timers that drive Step,
// without which suspicion would often come a whole Interval late.
func overdue(interval time.Duration) time.Duration { return interval - interval/8 }

// Validate returns nil if c can be given to NewSchedule, and else a [*ConfigError] that
// says which field is wrong and what is possible.
func (c Config) Validate() error {
	c = c.WithDefaults()
	switch {
	case c.Idle < minSpan:
		return tooShort("Idle", c.Idle)
	case c.Interval < minSpan:
		return tooShort("Interval", c.Interval)
	case c.Probes < 1 || c.Probes > maxProbes:
		return &ConfigError{"Probes", fmt.Sprintf("is %d, possible are 1 to %d", c.Probes, maxProbes)}
	case c.Idle > horizon:
		return &ConfigError{"Idle", fmt.Sprintf("is %v, the largest possible is %v", c.Idle, horizon)}
	case c.Burst != 0 && (c.Burst < minSpan || c.Burst > c.Interval):
		return &ConfigError{"Burst", fmt.Sprintf("is %v, possible are 0, which is none, and %v to Interval, %v", c.Burst, minSpan, c.Interval)}
	case c.Interval > (horizon-c.Idle)/time.Duration(c.Probes):
		return &ConfigError{"Interval", fmt.Sprintf("is %v, the largest possible is %v with Idle %v and Probes %d",
			c.Interval, (horizon-c.Idle)/time.Duration(c.Probes), c.Idle, c.Probes)}
	case c.Burst != 0 && time.Duration(c.Probes)*c.Interval/c.Burst > maxProbes-time.Duration(c.Probes):
		return &ConfigError{"Burst", fmt.Sprintf("is %v, which is more than %d probes in one silence with Interval %v and Probes %d",
			c.Burst, maxProbes, c.Interval, c.Probes)}
	}
	return nil
}

func tooShort(field string, d time.Duration) error {
	return &ConfigError{field, fmt.Sprintf("is %v, the smallest possible is %v (the smallest Within is %v)",
		d, minSpan, minWithin)}
}

// ConfigError says why a Method was refused.
type ConfigError struct {
	Field  string // the field that is wrong
	Reason string // what it is and what is possible: "is 1ms, the smallest possible is 3ms"
}

// Error returns the field and the reason in one sentence.
func (e *ConfigError) Error() string {
	return "heartbeat: config: " + e.Field + " " + e.Reason
}
