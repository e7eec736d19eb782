package qos

import (
	"time"

	"vigil/heartbeat"
)

// Detector is a contender.
type Detector struct {
	Name, About string
	// watch makes what makes a Watcher for a connection in a model.
	watch func(m Model) func(now time.Time) Watcher
	// learns is how long it takes to know its network. A peer ends within as
	// long behind that, or a minute.
	learns time.Duration
}

// Detectors returns all contenders, as near to a detection within 2 s as each
// can be set, but for the textbook's.
func Detectors() []Detector {
	return []Detector{
		schedule("default", "heartbeat.Within(2 s)", heartbeat.Default()),
		schedule("no-burst", "the default without its burst", noBurst()),
		{Name: "unguarded", About: "the default, not doubting itself when it was late",
			watch: same(func(now time.Time) Watcher { return &unguarded{heartbeat.NewSchedule(heartbeat.Default(), now)} })},
		objective(),
		method("chen", "heartbeat.Chen{}: NFD-E, a probe each 0.9 s, margin 0.9 s", heartbeat.Chen{}, time.Minute),
		method("phi", "heartbeat.Phi without its Pause: threshold 8, a probe each 0.9 s", heartbeat.Phi{Interval: 900 * ms, Pause: -1, MinDeviation: 150 * ms, Window: 200}, 4*time.Minute),
		schedule("lesson", "heartbeat.Lesson(): after 10 s, three times 3 s apart", heartbeat.Lesson()),
		{Name: "nats.go", About: "a PING each 0.9 s, dead when one is due and 1 is unanswered; nats.go's rule with less than its 2 min and 2",
			watch: same(func(now time.Time) Watcher { return newCounter(now, 900*ms, 1) })},
		{Name: "fixed", About: "a PING each 0.9 s, dead after 1.8 s without a byte",
			watch: same(func(now time.Time) Watcher { return newTimeout(now, 900*ms, 1800*ms) })},
	}
}

// FindDetector returns the contender of that name.
func FindDetector(name string) (Detector, bool) {
	for _, d := range Detectors() {
		if d.Name == name {
			return d, true
		}
	}
	return Detector{}, false
}

func noBurst() heartbeat.Config {
	c := heartbeat.Default()
	c.Burst = 0
	return c
}

// unguarded is the default that believes to have been called at Next every time:
// what passed while its process stood still, it takes for the peer's silence.
type unguarded struct{ heartbeat.Schedule }

func (u *unguarded) Step(now time.Time) (action heartbeat.Action) {
	for !u.Next().After(now) {
		if action = u.Schedule.Step(u.Next()); action == heartbeat.Dead {
			break
		}
	}
	return action
}

// same is for a detector that does not care about the model.
func same(make func(now time.Time) Watcher) func(Model) func(time.Time) Watcher {
	return func(Model) func(time.Time) Watcher { return make }
}

// schedule is the default detector with a Config.
func schedule(name, about string, c heartbeat.Config) Detector {
	return Detector{Name: name, About: about, watch: same(func(now time.Time) Watcher {
		d := heartbeat.NewSchedule(c, now)
		return &d
	})}
}

// method is any other detector of package heartbeat.
func method(name, about string, m heartbeat.Method, learns time.Duration) Detector {
	return Detector{Name: name, About: about, learns: learns,
		watch: same(func(now time.Time) Watcher { return m.Detector(now) })}
}

// objective is the one that must be told whether losses are independent.
func objective() Detector {
	return Detector{Name: "objective", About: "heartbeat.Objective{Within: 2 s}: one false alarm in 30 days at most",
		learns: 20 * time.Minute, watch: func(m Model) func(time.Time) Watcher {
			o := heartbeat.Objective{Within: 2 * time.Second, Datagrams: m.datagrams}
			return func(now time.Time) Watcher { return o.Detector(now) }
		}}
}

// counter is nats.go's rule, as of version 1.55: a ticker, on each tick one more
// unanswered PING, and a stale connection if they are more than allowed. Only a
// PONG counts as an answer. A tick that comes late is one tick.
type counter struct {
	every time.Duration
	most  int
	next  time.Time
	out   int
}

func newCounter(now time.Time, every time.Duration, most int) *counter {
	return &counter{every: every, most: most, next: now.Add(every)}
}

func (c *counter) Heard(time.Time)         {}
func (c *counter) Answered(_, _ time.Time) { c.out = 0 }
func (c *counter) Next() time.Time         { return c.next }

func (c *counter) Step(now time.Time) heartbeat.Action {
	if now.Before(c.next) {
		return heartbeat.None
	}
	c.next = now.Add(c.every)
	if c.out++; c.out > c.most {
		return heartbeat.Dead
	}
	return heartbeat.Probe
}

// timeout is what is most often written: a probe each interval, whatever
// happens, and death when nothing was heard for so long. It doubts nobody but
// the peer.
type timeout struct {
	every, limit time.Duration
	probe, death time.Time
}

func newTimeout(now time.Time, every, limit time.Duration) *timeout {
	return &timeout{every: every, limit: limit, probe: now.Add(every), death: now.Add(limit)}
}

func (t *timeout) Heard(now time.Time)       { t.death = now.Add(t.limit) }
func (t *timeout) Answered(_, now time.Time) { t.Heard(now) }

func (t *timeout) Next() time.Time {
	if t.probe.Before(t.death) {
		return t.probe
	}
	return t.death
}

func (t *timeout) Step(now time.Time) heartbeat.Action {
	switch {
	case !now.Before(t.death):
		return heartbeat.Dead
	case now.Before(t.probe):
		return heartbeat.None
	}
	t.probe = now.Add(t.every)
	return heartbeat.Probe
}
