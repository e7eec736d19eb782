package broker

import (
	"fmt"
	"math/rand/v2"
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

// BenchmarkRoute bounds what a message costs besides the system calls, by where
// its subject leads: to the last one's subscriber, to one that is cached, to one
// among more than is cached, whose memory the processor's caches do not hold, or
// nowhere.
func BenchmarkRoute(b *testing.B) {
	for _, shape := range []struct {
		name             string
		subscribe        string
		subjects, routes int
	}{
		{"last", "s%d.x", 1, 1},
		{"cached", "s%d.x", 1000, 1000},
		{"wildcards", "s%d.*", 100_000, 100_000},
		{"nobody", "s%d.x", 1, 0},
	} {
		b.Run(shape.name, func(b *testing.B) {
			broker := benchBroker()
			subscriber := discardClient(b, broker, 1, quietConnect)
			for i := range shape.routes {
				subscriber.feed(b, "SUB "+fmt.Sprintf(shape.subscribe, i)+fmt.Sprintf(" %d\r\n", i))
			}
			random := rand.New(rand.NewPCG(1, 2))
			var reads []string
			for i, n := range random.Perm(shape.subjects * max(1, 1000/shape.subjects)) {
				if i%500 == 0 {
					reads = append(reads, "")
				}
				reads[len(reads)-1] += fmt.Sprintf("PUB s%d.x 128\r\n%0128d\r\n", n%shape.subjects, n)
			}
			publisher := discardClient(b, broker, 2, quietConnect)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%500 == 0 { // one operation is one message
					publisher.feed(b, reads[n/500%len(reads)])
				}
			}
		})
	}
}
