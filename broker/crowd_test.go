package broker

import (
	"slices"
	"testing"
	"time"
)

// Thousands of connections that never complete their first operation cost
// little, are gone in time, and nobody else waits for them.
func TestCrowdBeforeTheHandshake(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	n := 3000
	if *long {
		n = crowd
	}
	const timeout = 5 * time.Second // the default
	b := startChild(t, childConfig{HandshakeTimeout: timeout})
	idle := b.memory(t, "VmRSS")
	begun := time.Now()
	startSelf(t, attackVariable, attack{b.addr, n, time.Second / 3000, "hello"})
	opened := time.Since(begun)
	var waits []time.Duration
	tick := time.NewTicker(timeout / 400)
	defer tick.Stop()
	for time.Since(begun) < opened+timeout {
		<-tick.C
		start := time.Now()
		conn := b.dial(t, "")
		rawFlush(t, conn, quietConnect)
		waits = append(waits, time.Since(start))
		conn.Close()
	}
	peak := b.memory(t, "VmHWM")
	slices.Sort(waits)
	p99 := waits[len(waits)*99/100]
	t.Logf("%d connections in %v; %d bytes each; of %d clients meanwhile the 99th percentile connects in %v",
		n, opened, (peak-idle)/n, len(waits), p99)
	if !*long || raceEnabled {
		return // other tests run beside, and the race detector has its own price
	}
	if cost := (peak - idle) / n; cost > idleCost {
		t.Errorf("each costs %d bytes, want at most %d", cost, idleCost)
	}
	if p99 > 50*time.Millisecond {
		t.Errorf("clients connect in %v meanwhile, want 50 ms at most", p99)
	}
}
