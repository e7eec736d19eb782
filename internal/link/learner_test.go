package link

import (
	"testing"
	"time"

	"vigil/heartbeat"
)

// counting is a detector that says how many it succeeds.
type counting struct {
	heartbeat.Schedule
	before int
}

func (c *counting) Successor(now time.Time) heartbeat.Detector {
	return &counting{heartbeat.NewSchedule(heartbeat.Default(), now), c.before + 1}
}

type countingMethod struct {
	heartbeat.Config
	made *int
}

func (m countingMethod) Detector(now time.Time) heartbeat.Detector {
	*m.made++
	return &counting{Schedule: heartbeat.NewSchedule(heartbeat.Default(), now)}
}

// What a detector has learned of the way to a server is used on the next
// connection to it, and not for another server.
func TestLearningIsPassedOn(t *testing.T) {
	made := 0
	before := func(r *rig) int {
		r.link.mu.Lock()
		defer r.link.mu.Unlock()
		return r.link.learner.(*counting).before
	}
	pairOfBrokers(t, Config{Heartbeat: countingMethod{heartbeat.Default(), &made}, NoStandby: true}, func(r *rig, other *peer) {
		for i := range 3 {
			time.Sleep(10 * time.Second)
			if got := before(r); got != i || made != 1 {
				t.Fatalf("after %d losses: %d before, %d made", i, got, made)
			}
			other.stop()
			r.peer.conn(i).nc.Close()
			time.Sleep(10 * time.Second)
			other.start()
		}
		r.net.Vanish(address)
		time.Sleep(10 * time.Second)
		if got := before(r); got != 0 || made != 2 {
			t.Errorf("another server: %d before, %d made", got, made)
		}
		r.peer.start()
	})
}
