package subscriber

import "time"

// patience decides how long the connection's reader may wait for a consumer
// whose queue is full. A short wait makes the broker hold back a burst, instead
// of the queue dropping it. But while the reader waits it hears nothing, so it
// spends at most half of each window on that, over all subscriptions, where a
// window is a sixth of the heartbeat's Bound (an Interval of the default): a
// peer that answers is heard in time whatever consumers do.
type patience struct {
	// Fixed after construction.
	window, budget time.Duration

	// Owned by the connection's reader; there is one at a time.
	since time.Time // when the window began
	spent time.Duration
}

// maxPatience bounds the wait also for a slow heartbeat: a burst is shorter.
const maxPatience = 200 * time.Millisecond

func newPatience(bound time.Duration) patience {
	window := bound / 6
	return patience{window: window, budget: min(window/2, maxPatience)}
}

// allowance returns how long may be waited at now, 0 for not at all.
func (p *patience) allowance(now time.Time) time.Duration {
	if now.Sub(p.since) >= p.window {
		p.since, p.spent = now, 0
	}
	return max(0, p.budget-p.spent)
}

// spend notes a wait.
func (p *patience) spend(d time.Duration) { p.spent += d }
