package heartbeat_test

import (
	"fmt"
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
