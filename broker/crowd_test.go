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
	rawFlush(t, b.dial(t, quietConnect), "") // the first client has the poller made
	idle, descriptors := b.memory(t, "VmRSS"), b.descriptors(t)
	begun := time.Now()
	startSelf(t, attackVariable, attack{b.addr, n, time.Hour, "hello"})
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
	for b.descriptors(t) > descriptors && time.Since(begun) < testPatience {
		<-tick.C
	}
	late := timeout // while other tests run beside
	if *long {
		late = time.Second
	}
	if took := time.Since(begun); took > opened+timeout+late {
		t.Errorf("all are gone after %v, want %v", took, opened+timeout)
	}
	peak := b.memory(t, "VmHWM")
	slices.Sort(waits)
	p99 := waits[len(waits)*99/100]
	t.Logf("%d connections in %v; %d bytes each; of %d clients meanwhile the 99th percentile connects in %v",
		n, opened, (peak-idle)/n, len(waits), p99)
	if raceEnabled {
		return // its own memory is a multiple of that
	}
	if cost := (peak - idle) / n; cost > idleCost {
		t.Errorf("each costs %d bytes, want at most %d", cost, idleCost)
	}
	if !*long {
		return // other tests run beside
	}
	if p99 > 50*time.Millisecond {
		t.Errorf("clients connect in %v meanwhile, want 50 ms at most", p99)
	}
}
