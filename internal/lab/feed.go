package lab

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"vigil/internal/wire"
)

// subject carries the numbered messages.
const subject = "lab.numbers"

// feed publishes numbered messages to one broker, one each interval. It goes on
// counting while there is no broker: those numbers were offered to nobody.
type feed struct {
	addr     string
	interval time.Duration

	mu      sync.Mutex
	current *stream // nil while there is no broker
	// published[n] is when number n was published; confirmed numbers are
	// those that a broker has answered a later PING of.
	published []publication
}

type publication struct {
	at        time.Time
	confirmed bool
}

// run publishes until ctx ends.
func (f *feed) run(ctx context.Context) {
	ticker := time.NewTicker(f.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			f.disconnect()
			return
		case now := <-ticker.C:
			f.publish(now)
		}
	}
}

func (f *feed) publish(now time.Time) {
	f.mu.Lock()
	n := len(f.published)
	f.published = append(f.published, publication{at: now})
	s := f.current
	f.mu.Unlock()
	if s == nil {
		return
	}
	msg := wire.AppendPub(nil, subject, "", strconv.AppendInt(nil, int64(n), 10))
	msg = append(msg, wire.PingLine...)
	if _, err := s.conn.Write(msg); err != nil {
		f.drop(s)
	}
}

// connect dials the broker; from then on what is published goes there.
func (f *feed) connect(ctx context.Context) error {
	s, err := dialStream(ctx, f.addr, "")
	if err != nil {
		return fmt.Errorf("lab: feed: %w", err)
	}
	f.mu.Lock()
	f.current = s
	first := len(f.published)
	f.mu.Unlock()
	// Owned by the feed; ends when the stream is closed by disconnect or lost.
	go f.confirm(s, first)
	return nil
}

// confirm counts the PONGs: the k-th confirms the k-th number since the stream
// was dialled.
func (f *feed) confirm(s *stream, next int) {
	var op wire.Op
	for {
		if err := s.next(&op); err != nil {
			f.drop(s)
			return
		}
		if op.Kind != wire.Pong {
			continue
		}
		f.mu.Lock()
		if next < len(f.published) {
			f.published[next].confirmed = true
		}
		f.mu.Unlock()
		next++
	}
}

// disconnect closes the stream: nothing is published until the next connect.
func (f *feed) disconnect() {
	f.mu.Lock()
	s := f.current
	f.mu.Unlock()
	if s != nil {
		f.drop(s)
	}
}

func (f *feed) drop(s *stream) {
	_ = s.conn.Close()
	f.mu.Lock()
	if f.current == s {
		f.current = nil
	}
	f.mu.Unlock()
}

// confirmed calls yield with every number that a broker took, in order.
func (f *feed) confirmed(yield func(n int, at time.Time)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n, p := range f.published {
		if p.confirmed {
			yield(n, p.at)
		}
	}
}
