package integration_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vigil/publisher"
	"vigil/subscriber"
)

// diary keeps the events of a client.
type diary struct {
	state
	entries []entry // guarded by mu
}

// entry is an event and when it was told.
type entry struct {
	subscriber.Event
	told time.Time
}

// note is for OnEvent.
func (d *diary) note(e subscriber.Event) {
	d.change(func() { d.entries = append(d.entries, entry{e, time.Now()}) })
}

// here returns the place behind the last entry, from which await can look.
func (d *diary) here() (n int) {
	d.look(func() { n = len(d.entries) })
	return n
}

// await returns the first event of a kind at or behind place from.
func (d *diary) await(t *testing.T, from int, kind subscriber.EventKind) (e entry) {
	t.Helper()
	met := d.reached(t, func() bool {
		k := slices.IndexFunc(d.entries[from:], func(e entry) bool { return e.Kind == kind })
		if k >= 0 {
			e = d.entries[from+k]
		}
		return k >= 0
	})
	if !met {
		t.Fatalf("no event %q; there were:\n%s", kind, d)
	}
	return e
}

// all returns the events of a kind.
func (d *diary) all(kind subscriber.EventKind) (list []entry) {
	d.look(func() {
		for _, e := range d.entries {
			if e.Kind == kind {
				list = append(list, e)
			}
		}
	})
	return list
}

// String returns one event a line.
func (d *diary) String() string {
	var b strings.Builder
	d.look(func() {
		for _, e := range d.entries {
			fmt.Fprintf(&b, "\t%s %v\n", e.At.Format("15:04:05.000"), e.Event)
		}
	})
	return b.String()
}

// listener is a Vigil subscriber with a diary.
type listener struct {
	*subscriber.Subscriber
	diary diary
}

// listen connects to h, with cfg or its zero value, the defaults.
func listen(t *testing.T, h *host, cfg subscriber.Config) *listener {
	t.Helper()
	l := new(listener)
	cfg.OnEvent = l.diary.note
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	l.Subscriber, err = subscriber.Connect(ctx, h.url(), cfg)
	must(t, err)
	t.Cleanup(func() { _ = l.Close() }) // what a test leaves unhandled is its own affair
	return l
}

// collect subscribes, as a member of queue unless that is empty, and returns
// the numbers that come.
func (l *listener) collect(t *testing.T, pattern, queue string) *numbers {
	t.Helper()
	n := &numbers{times: make(map[int]int)}
	handler := func(m *subscriber.Msg) { n.add(m.Data) }
	var err error
	if queue == "" {
		_, err = l.SubscribeFunc(pattern, handler)
	} else {
		_, err = l.SubscribeFunc(pattern, handler, subscriber.Queue(queue))
	}
	must(t, err)
	must(t, l.Flush(t.Context()))
	return n
}

// numbers are the numbered messages of one subscription.
type numbers struct {
	state
	order []int       // guarded by mu
	times map[int]int // guarded by mu; how often each came
	high  int         // guarded by mu; one more than the highest
	alien string      // guarded by mu; what was no number
}

// add notes a message: its number, and a blank with padding if it likes.
func (n *numbers) add(data []byte) {
	text, _, _ := strings.Cut(string(data), " ")
	k, err := strconv.Atoi(text)
	n.change(func() {
		if err != nil {
			n.alien = string(data)
			return
		}
		n.order = append(n.order, k)
		n.times[k]++
		n.high = max(n.high, k+1)
	})
}

// await waits until number k or a later one has come.
func (n *numbers) await(t *testing.T, k int) {
	t.Helper()
	high := 0
	if !n.reached(t, func() bool { high = n.high; return high > k }) {
		t.Fatalf("number %d did not come, the highest was %d", k, high-1)
	}
}

// list returns the numbers in the order in which they came.
func (n *numbers) list(t *testing.T) (order []int) {
	t.Helper()
	n.look(func() {
		order = slices.Clone(n.order)
		if n.alien != "" {
			t.Errorf("a message that nobody sent: %q", n.alien)
		}
	})
	return order
}

// feed publishes one number after the other, with a diary.
type feed struct {
	*publisher.Publisher
	diary diary

	state
	at []time.Time // guarded by mu; at[n] is when number n was given to Publish

	cancel context.CancelFunc
	done   chan error
}

// gently is the time between two bursts of a feed.
const gently = 2 * time.Millisecond

// startFeed connects to h and publishes burst numbers each 2 ms, with padding
// behind them, until finish or the end of the test.
func startFeed(t *testing.T, h *host, cfg publisher.Config, subject string, burst, padding int) *feed {
	t.Helper()
	f := &feed{done: make(chan error, 1)}
	cfg.OnEvent = f.diary.note
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	f.Publisher, err = publisher.Connect(ctx, h.url(), cfg)
	must(t, err)
	ctx, f.cancel = context.WithCancel(context.Background())
	// Owned by the feed; ends with cancel; finish or the cleanup waits for it.
	go func() { f.done <- f.run(ctx, subject, burst, strings.Repeat("x", padding)) }()
	t.Cleanup(func() {
		f.cancel()
		f.done <- <-f.done
		_ = f.Close() // what a test leaves unconfirmed is its own affair
	})
	return f
}

func (f *feed) run(ctx context.Context, subject string, burst int, padding string) error {
	tick := time.NewTicker(gently)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		for range burst {
			now := time.Now()
			f.change(func() { f.at = append(f.at, now) })
			// Not ctx: what finish counts was taken.
			if err := f.Publish(context.Background(), subject, fmt.Appendf(nil, "%d %s", n, padding)); err != nil {
				return fmt.Errorf("number %d: %w", n, err)
			}
			n++
		}
	}
}

// next returns the number that will be published next.
func (f *feed) next() (n int) {
	f.look(func() { n = len(f.at) })
	return n
}

// finish ends the feed, waits until the broker has got everything, and returns
// how many numbers there were.
func (f *feed) finish(t *testing.T) int {
	t.Helper()
	f.cancel()
	err := <-f.done
	f.done <- err // for the cleanup
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, f.Flush(ctx))
	return f.next()
}
