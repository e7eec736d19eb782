package main

import (
	"context"
	"runtime/debug"
	"time"

	"vigil/broker"
)

const (
	// lookEach is the time between two looks at what the clients hold, and how
	// many there are: thousands can come in a second.
	lookEach = 100 * time.Millisecond
	// worthReturning is how much less than before the clients must hold, in
	// bytes: less is not worth a collection out of turn.
	worthReturning = 32 << 20
	// connectionCost is what an idle connection costs, in bytes, roughly.
	connectionCost = 8 << 10
)

// watchMemory gives memory back to the system when the clients have given up
// much of theirs. Of itself the runtime collects every two minutes while
// nothing is going on, and takes its time to return what is free. With limit it
// also keeps the runtime's limit at the broker's. It belongs to serve, which
// waits for it, and ends with ctx.
func watchMemory(ctx context.Context, b *broker.Broker, limit bool) {
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	var r memoryReturn
	for {
		if limit {
			debug.SetMemoryLimit(b.MemoryLimit())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, peak := b.MemoryHeld()
		connections := int64(b.NumClients()) * connectionCost
		if r.due(now+connections, peak+connections) {
			debug.FreeOSMemory()
		}
	}
}

// memoryReturn decides when memory is worth giving back.
type memoryReturn struct {
	high int64 // the most that was held since memory was last given back
	last int64 // what was held at the last look
}

// due is told, at each look, what is held now, and the most that was since the
// last look, in bytes. It reports true once after that has fallen by more than
// half of its peak, and by more than worthReturning: at the first look that does
// not find it falling any further, so that one collection does for all of it.
func (r *memoryReturn) due(now, peak int64) bool {
	falling := now < r.last
	r.high, r.last = max(r.high, peak), now
	fallen := r.high - now
	if falling || fallen <= worthReturning || fallen <= r.high/2 {
		return false
	}
	r.high = now
	return true
}
