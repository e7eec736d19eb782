package broker

import (
	"fmt"
	"testing"
	"time"

	"vigil/heartbeat"
	"vigil/internal/wire"
)

// BenchmarkOutboxSend bounds what handing a batch over costs besides the system
// call.
func BenchmarkOutboxSend(b *testing.B) {
	o := &outbox{stream: &discardStream{}, limit: 1 << 20, mark: 1 << 19, deadline: time.Minute}
	b.ReportAllocs()
	for b.Loop() {
		o.send(append(getBuffer(minBuffer), wire.PingLine...))
	}
}

// BenchmarkSweep bounds what a client costs the liveness sweep when its turn
// comes: it was heard since, and is put off.
func BenchmarkSweep(b *testing.B) {
	for _, clients := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			cfg := Config{HandshakeTimeout: -1}.WithDefaults()
			now := time.Now()
			l := newLiveness(cfg, now)
			for i := range clients {
				c := &client{}
				c.watch = watch{detector: heartbeat.NewSchedule(l.cfg, now.Add(time.Duration(i)*l.cfg.Idle/time.Duration(clients)))}
				c.watch.turn = c.watch.next()
				l.turns.Push(c)
			}
			b.ReportAllocs()
			for b.Loop() {
				c := l.turns[0]
				now = c.watch.turn
				c.heard.Store(int64(now.Sub(l.started)))
				l.round(now)
			}
		})
	}
}
