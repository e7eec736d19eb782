package lab

import (
	"context"
	"fmt"
	"sync"
	"time"

	"vigil/internal/wire"
)

// subject carries the numbered messages.
const subject = "lab.numbers"

// feed publishes numbered messages to one broker, one each interval. It goes on
// counting while there is no broker: those numbers were offered to nobody.
type feed struct {
	// Fixed after construction.
	addr     string
	interval time.Duration
	// size is how large a message is at least, in bytes.
	size int

	confirming sync.WaitGroup // the goroutines that read PONGs; run waits for them

	sending sync.Mutex // held while a message is written

	// Guarded by mu.
	mu      sync.Mutex
	current *stream // nil while there is no broker
	// published[n] is when number n was published; confirmed numbers are
	// those that a broker has answered a later PING of.
	published []publication
	// lost is why a connection failed that disconnect had not taken away: what
	// was counted since is worth nothing.
	lost error
	over bool // run has ended: there will be no connection any more
	// quiet is set while nothing is to be published.
	quiet bool
}

type publication struct {
	at        time.Time
	confirmed bool
}

// number is a number that a broker took, and when it was published.
type number struct {
	n  int
	at time.Time
}

// run publishes until ctx ends.
func (f *feed) run(ctx context.Context) {
	defer f.confirming.Wait()
	// Also ends a write that a full socket holds up.
	stop := context.AfterFunc(ctx, f.end)
	defer stop()
	ticker := time.NewTicker(f.interval)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			f.end()
			return
		case <-ticker.C:
			// A ticker drops ticks on a busy machine; the rate is to be kept.
			for ; time.Since(last) >= f.interval; last = last.Add(f.interval) {
				if !f.isQuiet() {
					f.publish()
				}
			}
		}
	}
}

// setQuiet makes the feed publish nothing, or again.
func (f *feed) setQuiet(quiet bool) { f.mu.Lock(); f.quiet = quiet; f.mu.Unlock() }
func (f *feed) isQuiet() bool       { f.mu.Lock(); defer f.mu.Unlock(); return f.quiet }

// flood publishes numbers at once, bytes in all, in messages of size.
func (f *feed) flood(bytes, size int) {
	for ; bytes > 0; bytes -= size {
		f.send(size)
	}
}

// publish publishes the next number.
func (f *feed) publish() { f.send(f.size) }

// send publishes the next number in a message of size. Numbers come in order on
// a stream, whoever sends.
func (f *feed) send(size int) {
	f.sending.Lock()
	defer f.sending.Unlock()
	f.mu.Lock()
	n := len(f.published)
	f.published = append(f.published, publication{at: time.Now()})
	s := f.current
	f.mu.Unlock()
	if s == nil {
		return
	}
	msg := wire.AppendPub(nil, subject, "", appendNumber(nil, n, size))
	msg = append(msg, wire.PingLine...)
	if _, err := s.conn.Write(msg); err != nil {
		f.drop(s, err)
	}
}

// connect dials the broker; from then on what is published goes there.
func (f *feed) connect(ctx context.Context) error {
	s, err := dialStream(ctx, f.addr, "")
	if err != nil {
		return fmt.Errorf("lab: feed: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		_ = s.conn.Close()
		return context.Canceled
	}
	f.current = s
	first := len(f.published)
	// Owned by the feed; ends when the stream is closed by disconnect or lost;
	// run waits for it.
	f.confirming.Go(func() { f.confirm(s, first) })
	return nil
}

// confirm counts the PONGs: the k-th confirms the k-th number since the stream
// was dialled.
func (f *feed) confirm(s *stream, next int) {
	var op wire.Op
	for {
		if err := s.next(&op); err != nil {
			f.drop(s, err)
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
	f.current = nil
	f.mu.Unlock()
	if s != nil {
		_ = s.conn.Close()
	}
}

// end disconnects for good.
func (f *feed) end() {
	f.mu.Lock()
	f.over = true
	f.mu.Unlock()
	f.disconnect()
}

// drop closes a stream that failed.
func (f *feed) drop(s *stream, cause error) {
	_ = s.conn.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current == s {
		f.current, f.lost = nil, cause
	}
}

// failure returns why the feed lost a broker that it should not have lost, or
// nil.
func (f *feed) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost == nil {
		return nil
	}
	return fmt.Errorf("lab: feed: lost the broker: %w", f.lost)
}

// offered returns how many numbers were published, to a broker or to nobody:
// it is the next number.
func (f *feed) offered() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.published)
}

// taken returns the numbers that brokers have taken so far, in order.
func (f *feed) taken() []number {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []number
	for n, p := range f.published {
		if p.confirmed {
			all = append(all, number{n, p.at})
		}
	}
	return all
}
