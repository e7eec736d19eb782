package integration_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"vigil/heartbeat"
	"vigil/internal/fault"
	"vigil/subscriber"
)

// A link of 1 Mbit/s that is offered four is no dead broker: whatever comes is
// life, and a PONG that waits behind megabytes is told as such. nats.go, which
// only counts PONGs, is beside it.
//
// It runs alone: the processes at both ends are to be in time.
func TestCongestedLink(t *testing.T) {
	length := 20 * time.Second
	if *long {
		length = time.Minute
	}
	each(t, []fault.Mode{fault.PacketsDropped}, func(t *testing.T, mode fault.Mode, broker string) {
		h := newFeedingHost(t, mode, broker, "numbers:1000") // each 2 ms: 4 Mbit/s
		host, err := h.site.Host()
		must(t, err)
		beat := heartbeat.Within(time.Second)
		l := listen(t, h, subscriber.Config{Heartbeat: beat})
		got := l.collect(t, "numbers", "")
		got.await(t, 10)
		var stale atomic.Int64
		stock, err := nats.Connect(h.url(), nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2), nats.MaxReconnects(-1),
			nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
				if err == nats.ErrStaleConnection {
					stale.Add(1)
				}
			}))
		must(t, err)
		defer stock.Close()
		_, err = stock.Subscribe("numbers", func(*nats.Msg) {})
		must(t, err)

		must(t, host.Impair(fault.FromHost, fault.Impairment{Rate: 1e6, Queue: 30_000}))
		start, place := time.Now(), len(got.list(t))
		oldest := time.Duration(0)
		look := time.NewTicker(100 * time.Millisecond)
		defer look.Stop()
		for time.Since(start) < length {
			<-look.C
			oldest = max(oldest, l.Status().PongAge)
		}
		checkNoFalseAlarm(t, l, beat)
		n := len(got.list(t)) - place
		if n == 0 {
			t.Error("nothing came")
		}
		if oldest < time.Second {
			t.Errorf("the oldest PONG was awaited for %v: the link was not congested", oldest)
		}
		t.Logf("in %v: %d messages came, PONGs were awaited for up to %v, %d suspicions and no verdict; nats.go with 1 s and 2 PINGs: %d verdicts",
			length, n, oldest, len(l.diary.all(subscriber.EventSuspect)), stale.Load())
		must(t, host.Impair(fault.FromHost, fault.Impairment{}))
	})
}
