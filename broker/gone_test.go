package broker

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestUptime(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		-time.Second:                 "0s",
		0:                            "0s",
		999 * time.Millisecond:       "0s",
		59 * time.Second:             "59s",
		time.Minute:                  "1m0s",
		time.Hour + 2*time.Second:    "1h0m2s",
		day:                          "1d0h0m0s",
		366*day + 61*time.Second:     "1y1d0h1m1s",
		400*day + 3*time.Hour + 1000: "1y35d3h0m0s",
	} {
		if got := uptime(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestWindow(t *testing.T) {
	const huge = int(^uint(0) >> 1)
	for _, c := range [][5]int{ // n, offset, limit, from, to
		{10, 0, 5, 0, 5}, {10, 8, 5, 8, 10}, {10, 10, 5, 10, 10}, {10, 11, 5, 10, 10},
		{10, huge, huge, 10, 10}, {10, 1, huge, 1, 10}, {10, -huge - 1, 3, 0, 3}, {10, 3, -1, 3, 3}, {0, 0, 1, 0, 0},
	} {
		if from, to := window(c[0], c[1], c[2]); from != c[3] || to != c[4] {
			t.Errorf("%v: %d to %d", c, from, to)
		}
	}
}

// The last 10,000 are remembered, all are counted.
func TestClosedRing(t *testing.T) {
	var g goneClients
	const all = maxClosed + 77
	for i := range all {
		reason := clientClosed
		switch i % 10 {
		case 0:
			reason = slowPending
		case 1:
			reason = slowDeadline
		case 2:
			reason = staleConnection
		}
		g.add(&connInfo{CID: uint64(i), Reason: string(reason)}, traffic{inMsgs: 1, outBytes: 2})
	}
	if len(g.ring) != maxClosed || g.total.inMsgs != all || g.total.outBytes != 2*all || g.slow != 2016 || g.stale != 1008 {
		t.Errorf("%d remembered, total %+v, slow %d, stale %d", len(g.ring), g.total, g.slow, g.stale)
	}
	seen := make(map[uint64]bool)
	for _, info := range g.ring {
		seen[info.CID] = info.CID >= all-maxClosed
	}
	for cid, ok := range seen {
		if !ok {
			t.Errorf("%d is remembered", cid)
		}
	}
	if len(seen) != maxClosed {
		t.Errorf("%d distinct", len(seen))
	}
}

// What is remembered of a client is bounded, however much it told; who counts as
// what is in the counters.
func TestClosedReasons(t *testing.T) {
	b := startTest(t, Config{
		MonitorPort: RandomPort, MaxPending: 1 << 20, PingInterval: 300 * time.Millisecond, PingMax: 1,
		HandshakeTimeout: -1,
	})
	mute, talker, stuck := rawConn(t, b), rawConn(t, b), rawConn(t, b)
	long := strings.Repeat("n", 3000)
	rawFlush(t, talker, fmt.Sprintf("CONNECT {\"verbose\":false,\"name\":%q}\r\n", long))
	var subs strings.Builder
	for i := range 2 * maxSubsLeft {
		fmt.Fprintf(&subs, "SUB s.%d %d\r\n", i, i)
	}
	rawFlush(t, talker, subs.String())
	talker.Close()
	last := rawConn(t, b)
	rawFlush(t, stuck, "SUB big 1\r\n")
	pub := last
	for range 64 {
		if _, err := io.WriteString(pub, "PUB big 100000\r\n"+strings.Repeat("x", 100000)+"\r\n"); err != nil {
			break
		}
	}
	awaitEnd(t, mute)
	awaitEnd(t, stuck)
	until := time.Now().Add(testPatience)
	for {
		v := b.varz()
		if v.SlowConsumers > 0 && v.StaleConnections > 0 {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("slow %d, stale %d", v.SlowConsumers, v.StaleConnections)
		}
		runtime.Gosched()
	}
	for _, info := range b.connz(connzOptions{sort: "reason", closed: true, limit: 100, subs: true}).Conns {
		if info.Name == "" {
			continue
		}
		if info.Reason != string(clientClosed) || len(info.Name) != maxAbout || info.NumSubs != 2*maxSubsLeft || len(info.Subs) != maxSubsLeft {
			t.Errorf("talker: %s, name of %d bytes, %d subscriptions, %d listed", info.Reason, len(info.Name), info.NumSubs, len(info.Subs))
		}
	}
}

// Monitoring while clients come, subscribe, publish and go.
func TestMonitorUnderChurn(t *testing.T) {
	b := startTest(t, Config{MonitorPort: RandomPort})
	const clients = 200
	done := make(chan struct{})
	go func() { // ends behind its clients; the test waits for it
		defer close(done)
		for range clients {
			conn, err := net.Dial("tcp", b.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "CONNECT {\"verbose\":false,\"name\":\"x\"}\r\nSUB a 1\r\nSUB b 2\r\nPUB a 2\r\nhi\r\nPING\r\n")
			for text, buf := "", make([]byte, 4096); !strings.Contains(text, "PONG"); {
				n, err := conn.Read(buf)
				if err != nil {
					t.Error(err)
					return
				}
				text += string(buf[:n])
			}
			conn.Close()
		}
	}()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
		}
		v := b.varz()
		c := b.connz(connzOptions{sort: "subs", open: true, closed: true, limit: 10, detail: true})
		s := b.subsz(subszOptions{subs: true, limit: 10})
		if v.InMsgs > clients || c.Total > clients || len(s.Subs) > s.Total {
			t.Fatalf("%d messages, %d connections, %d of %d subscriptions", v.InMsgs, c.Total, len(s.Subs), s.Total)
		}
	}
	until := time.Now().Add(testPatience)
	for b.varz().Connections > 0 && time.Now().Before(until) {
		runtime.Gosched()
	}
	if v := b.varz(); v.InMsgs != clients || v.OutMsgs < clients || v.InBytes != 2*clients || v.TotalConnections != clients || v.Subscriptions != 0 {
		t.Errorf("at the end %+v", v)
	}
}

// However long the subjects are: what is kept of a client that has gone, and
// what an answer may have, is bounded.
func TestMonitorTextBounds(t *testing.T) {
	b := startTest(t, Config{MonitorPort: RandomPort})
	conn := rawConn(t, b)
	const subs = 2000
	long := strings.Repeat(">", 3500) // six bytes each in JSON
	var text strings.Builder
	for i := range subs {
		fmt.Fprintf(&text, "SUB x%s %d\r\n", long, i)
	}
	rawFlush(t, conn, "CONNECT {\"verbose\":false}\r\n"+text.String())
	answer, err := http.Get("http://" + b.MonitorAddr().String() + "/subsz?subs=1&limit=100000")
	if err != nil {
		t.Fatal(err)
	}
	size, err := io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK || size > maxAnswer*5/4 || size < maxAnswer/2 {
		t.Errorf("%d bytes, status %d, error %v", size, answer.StatusCode, err)
	}
	o := connzOptions{sort: "cid", open: true, limit: 1}
	o.subs = true
	plain := len(b.connz(o).Conns[0].Subs)
	o.detail = true
	if detailed := len(b.connz(o).Conns[0].SubsDetail); plain != detailed || plain < 1000 || plain > 1999 {
		t.Errorf("/connz lists %d subscriptions, %d in detail", plain, detailed)
	}
	http.DefaultClient.CloseIdleConnections()
	conn.Close()
	for until := time.Now().Add(testPatience); b.NumClients() > 0 && time.Now().Before(until); {
		runtime.Gosched()
	}
	last := b.connz(connzOptions{sort: "cid", closed: true, limit: 1, subs: true}).Conns[0]
	if last.NumSubs != subs || len(last.Subs) != 0 {
		t.Errorf("%d subscriptions, %d listed", last.NumSubs, len(last.Subs))
	}
}
