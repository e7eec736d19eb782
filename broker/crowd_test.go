package broker

import (
	"io"
	"net"
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
	const crowd, timeout = 3000, 2 * time.Second
	b := startChild(t, childConfig{HandshakeTimeout: timeout})
	idle := b.memory(t, "VmRSS")
	begun := time.Now()
	conns := make([]net.Conn, crowd)
	each(crowd, func(i int) {
		conn, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { conn.Close() })
		_, _ = io.WriteString(conn, [...]string{"", `CONNECT {"verbose":`, "CONNECT "}[i%3])
		conns[i] = conn
	})
	if t.Failed() {
		return
	}
	dialed := time.Since(begun)
	var waits []time.Duration
	tick := time.NewTicker(timeout / 200)
	defer tick.Stop()
	for n := 0; time.Since(begun) < timeout; n++ {
		<-tick.C
		for i := 2; i < crowd; i += 3 { // a byte now and then
			if (i+n)%20 == 0 {
				_, _ = io.WriteString(conns[i], " ")
			}
		}
		start := time.Now()
		conn := b.dial(t, "")
		rawFlush(t, conn, quietConnect)
		waits = append(waits, time.Since(start))
		conn.Close()
	}
	peak := b.memory(t, "VmHWM")
	for i, conn := range conns {
		_ = conn.SetReadDeadline(time.Now().Add(testPatience))
		if _, err := io.Copy(io.Discard, conn); isTimeout(err) {
			t.Fatalf("connection %d is still open", i)
		}
	}
	took := time.Since(begun)
	slices.Sort(waits)
	p99 := waits[len(waits)*99/100]
	t.Logf("%d connections in %v, all gone after %v; %d bytes each; of %d clients meanwhile the 99th percentile connects in %v",
		crowd, dialed, took, (peak-idle)/crowd, len(waits), p99)
	if took > dialed+timeout+time.Second {
		t.Errorf("all are gone after %v, want %v", took, dialed+timeout)
	}
	// The race detector's own memory is a multiple of that.
	if cost := (peak - idle) / crowd; cost > idleCost && !raceEnabled {
		t.Errorf("each costs %d bytes, want at most %d", cost, idleCost)
	}
	if p99 > 250*time.Millisecond { // 50 ms on a machine of one's own
		t.Errorf("clients connect in %v meanwhile", p99)
	}
}
