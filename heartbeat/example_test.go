package heartbeat_test

import (
	"fmt"
	"math"
	"time"

	"vigil/heartbeat"
)

// A peer that answers one probe and then vanishes. The default has a Burst, too,
// which would make this a longer tale.
func Example() {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	cfg := heartbeat.Within(2 * time.Second)
	cfg.Burst = 0
	d := heartbeat.NewSchedule(cfg, start)
	answered := false
	for {
		now := d.Next() // where a real caller sets a timer and waits
		action := d.Step(now)
		fmt.Println(now.Format("05.0"), action, d.State())
		switch action {
		case heartbeat.Probe:
			if !answered {
				d.Heard(now.Add(100 * time.Millisecond))
				answered = true
			}
		case heartbeat.Dead:
			e := d.Evidence(now)
			fmt.Printf("last heard %s, silent for %v, %d probes unanswered\n",
				e.LastHeard.Format("05.0"), e.Silence, e.Probes)
			return
		}
	}

	// Output:
	// 00.9 probe alive
	// 01.9 probe alive
	// 02.2 probe suspect
	// 02.5 probe suspect
	// 02.8 dead dead
	// last heard 01.0, silent for 1.8s, 3 probes unanswered
}

// How a user's one figure becomes a configuration.
func ExampleWithin() {
	cfg := heartbeat.Within(2 * time.Second)
	fmt.Println(cfg.Idle, cfg.Interval, cfg.Probes, cfg.Bound())
	fmt.Println(heartbeat.Within(10 * time.Millisecond).Validate())

	// Output:
	// 900ms 300ms 3 1.8s
	// heartbeat: config: Interval is 1.5ms, the smallest possible is 3ms (the smallest Within is 20ms)
}

// What a contract costs on a network that loses 5 % of the datagrams each way,
// where round trips are exponential, 20 ms on average, and what to expect of it.
func ExampleObjective_Configure() {
	const there = 1 - 0.95*0.95 // a probe or its answer is lost
	tail := func(d time.Duration) float64 {
		return there + (1-there)*math.Exp(-float64(d)/float64(20*time.Millisecond))
	}
	o := heartbeat.Objective{Within: time.Second, Recurrence: 30 * 24 * time.Hour, Datagrams: true}
	cfg, promise := o.Configure(tail)
	fmt.Println(cfg.Idle, cfg.Interval, cfg.Probes)
	fmt.Printf("%v, one false alarm in %.0f days\n", promise.Bound, promise.Recurrence.Hours()/24)

	// With 60 % lost, it can still be rarely wrong, but not within a second.
	_, promise = o.Configure(heartbeat.Cantelli(0.6, 20*time.Millisecond, 20*time.Millisecond))
	fmt.Println(promise.Broken, promise.Bound > o.Within)

	// Output:
	// 571.875ms 46.875ms 7
	// 900ms, one false alarm in 38 days
	// true true
}

// An Objective measures by itself: it asks less often once it knows its network,
// and says what it keeps.
func ExampleObjective() {
	d := heartbeat.Objective{Within: 2 * time.Second}.Detector(time.Now())
	fmt.Printf("%+v\n", d.Promise())
	for range 100 {
		now := d.Next()
		if d.Step(now) == heartbeat.Probe {
			d.Answered(now, now.Add(20*time.Millisecond))
		}
	}
	p := d.Promise()
	fmt.Println(p.Bound, p.Broken, p.Recurrence > 30*24*time.Hour)

	// Output:
	// {Bound:1.8s Recurrence:0s Broken:false}
	// 1.8s false true
}

// The detectors of the literature are chosen in the same way.
func ExamplePhi() {
	for _, m := range []heartbeat.Method{heartbeat.Default(), heartbeat.Chen{}, heartbeat.Phi{}} {
		fmt.Println(m.Bound().Round(time.Millisecond))
	}

	// Output:
	// 1.8s
	// 1.8s
	// 5.403s
}
