package subscriber

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vigil/internal/wire"
)

// queue is a subscription without a connection, to which a test is the reader.
type queue struct {
	*Subscription
	told []int64 // what drops told, guarded by its lock
}

func newQueue(t testing.TB, cfg Config, opts ...Option) *queue {
	t.Helper()
	cfg = cfg.withDefaults()
	o, err := optionsOf(cfg, false, opts)
	if err != nil {
		t.Fatal(err)
	}
	s := &Subscriber{cfg: cfg, patience: newPatience(cfg.Heartbeat.Bound()), subs: make(map[*Subscription]struct{})}
	s.ctx, s.cancel = context.WithCancel(t.Context())
	q := &queue{}
	q.Subscription = &Subscription{subscriber: s, subject: "s", opts: o, pending: newPending(o)}
	q.drops = &drops{tell: func(n int64) { q.told = append(q.told, n) }}
	t.Cleanup(q.drops.end)
	return q
}

// read plays a read of the connection that brings these payloads.
func (q *queue) read(payloads ...string) {
	for _, p := range payloads {
		q.receive(message("s", "", "", p))
	}
	q.subscriber.handOver()
}

func message(subject, reply, header, data string) *wire.Op {
	return &wire.Op{Subject: []byte(subject), Reply: []byte(reply), HeaderLen: len(header), Frame: []byte(header + data + "\r\n")}
}

// consumer returns a loop's part.
func (q *queue) consumer() *consumer {
	return &consumer{p: q.pending, reuse: q.opts.reuse}
}

// takeAll returns the payloads that wait.
func (q *queue) takeAll() []string {
	c := q.consumer()
	defer c.stop()
	var all []string
	for {
		if ok, _, _ := c.take(); !ok {
			return all
		}
		all = append(all, string(c.open().Data))
	}
}

func numbers(from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

func TestOverflow(t *testing.T) {
	for _, tc := range []struct {
		name    string
		opts    []Option
		reads   [][]string
		want    []string
		dropped int64
	}{
		{"the newest go", []Option{DropNewest(), MaxPending(3, -1)}, [][]string{numbers(0, 2), numbers(2, 7)}, numbers(0, 3), 4},
		{"the oldest go", []Option{DropOldest(), MaxPending(3, -1)}, [][]string{numbers(0, 2), numbers(2, 7)}, numbers(4, 7), 4},
		{"the oldest of one read go", []Option{DropOldest(), MaxPending(3, -1)}, [][]string{numbers(0, 100)}, numbers(97, 100), 97},
		{"one read, several blocks", []Option{DropNewest(), MaxPending(100, -1)}, [][]string{numbers(0, 500)}, numbers(0, 100), 400},
		{"no bound", []Option{DropNewest(), MaxPending(-1, -1)}, [][]string{numbers(0, 500), numbers(500, 900)}, numbers(0, 900), 0},
		{"bytes", []Option{DropNewest(), MaxPending(-1, 2*(entryOverhead+2))}, [][]string{{"a", "b", "c"}}, []string{"a", "b"}, 1},
		{"an empty queue takes any message", []Option{DropNewest(), MaxPending(-1, 10)},
			[][]string{{strings.Repeat("x", 5000)}, {"y"}}, []string{strings.Repeat("x", 5000)}, 1},
		{"the oldest go for one that is over the bound alone", []Option{DropOldest(), MaxPending(-1, 400)},
			[][]string{{"a", "b"}, {strings.Repeat("x", 5000)}}, []string{strings.Repeat("x", 5000)}, 2},
	} {
		q := newQueue(t, Config{}, tc.opts...)
		for _, read := range tc.reads {
			q.read(read...)
		}
		if messages, _, _ := q.pending.level(); messages != len(tc.want) {
			t.Errorf("%s: %d wait, want %d", tc.name, messages, len(tc.want))
		}
		if got := q.takeAll(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %.60q, want %.60q", tc.name, got, tc.want)
		}
		if messages, bytes, _ := q.pending.level(); messages != 0 || bytes != 0 {
			t.Errorf("%s: %d messages of %d bytes wait in the end", tc.name, messages, bytes)
		}
		if got := q.Dropped(); got != tc.dropped {
			t.Errorf("%s: %d dropped, want %d", tc.name, got, tc.dropped)
		}
	}
}

// The queue and its blocks against a slice that does the same.
func FuzzQueue(f *testing.F) {
	f.Add(uint64(1), 10, 4000, false)
	f.Add(uint64(2), 100, -1, true)
	f.Add(uint64(3), -1, 3000, true)
	f.Add(uint64(4), -1, -1, false)
	f.Fuzz(func(t *testing.T, seed uint64, maxMessages, maxBytes int, oldest bool) {
		rng := rand.New(rand.NewPCG(seed, 0))
		opts := []Option{MaxPending(maxMessages, maxBytes), DropNewest()}
		if oldest {
			opts = append(opts, DropOldest())
		}
		q := newQueue(t, Config{}, opts...)
		maxMessages, maxBytes = q.opts.maxPending, q.opts.maxBytes
		c := q.consumer()
		c.reuse = seed%2 == 0
		var model []string
		bytes, dropped, busy := 0, int64(0), ""
		cost := func(s string) int { return entryOverhead + 1 + len(s) }
		for step := range 60 {
			switch rng.IntN(5) {
			case 0, 1:
				var read []string
				for i := range 1 + rng.IntN(1<<rng.IntN(8)) {
					size := rng.IntN(1 << rng.IntN(9))
					if rng.IntN(100) == 0 {
						size = 2000 + rng.IntN(20_000)
					}
					read = append(read, strings.Repeat(string(rune('a'+(step+i)%26)), size))
				}
				q.read(read...)
				full := false
				for _, m := range read {
					fits := func() bool {
						return (maxMessages < 0 || len(model) < maxMessages) && (maxBytes < 0 || len(model) == 0 || bytes+cost(m) <= maxBytes)
					}
					for oldest && !fits() {
						bytes -= cost(model[0])
						model = model[1:]
						dropped++
					}
					if full = full || !fits(); full {
						dropped++
						continue
					}
					model = append(model, m)
					bytes += cost(m)
				}
			case 2, 3:
				for range rng.IntN(50) {
					ok, _, _ := c.take()
					if busy = ""; ok != (len(model) > 0) {
						t.Fatalf("step %d: took %v of %d", step, ok, len(model))
					} else if ok {
						busy, model = model[0], model[1:]
						bytes -= cost(busy)
						if got := c.open(); string(got.Data) != busy || got.Subject != "s" {
							t.Fatalf("step %d: got %.40q, want %.40q", step, got.Data, busy)
						}
					}
				}
			case 4:
				if c.block != nil {
					c.giveBack()
					c.stop()
					model = append([]string{busy}, model...)
					bytes += cost(busy)
				}
			}
			if m, b, _ := q.pending.level(); m != len(model) || b != bytes || q.Dropped() != dropped {
				t.Fatalf("step %d: %d messages, %d bytes, %d dropped; want %d, %d, %d", step, m, b, q.Dropped(), len(model), bytes, dropped)
			}
		}
	})
}

// A consumer that never reads costs no more memory than some times the bound,
// whether messages come singly or many at once.
func TestMemoryOfWhatWaits(t *testing.T) {
	for _, perRead := range []int{1, 2, 3, 5, 6, 22, 400} {
		q := newQueue(t, Config{}, MaxPending(10_000, -1), DropNewest())
		for i := 0; i < 20_000; i += perRead {
			q.read(slices.Repeat([]string{strings.Repeat("x", 100)}, perRead)...)
		}
		held := 0
		for _, s := range q.pending.queue.all[q.pending.queue.head:] {
			if s.from == 0 {
				held += cap(s.block.bytes) + 24*cap(s.block.entries)
			}
		}
		if _, bytes, _ := q.pending.level(); held > 6*bytes {
			t.Errorf("%d messages a read: %d bytes wait in %d bytes of memory", perRead, bytes, held)
		}
	}
}

// Messages do not share memory that one could grow into, or that is used again,
// unless that was asked for.
func TestMessagesAreTheReceiversOwn(t *testing.T) {
	q := newQueue(t, Config{})
	c := q.consumer()
	var all []*Msg
	for range 20 {
		q.receive(message("s", "r", "NATS/1.0\r\nk: v\r\n\r\n", "abc"))
		q.receive(message("s", "", "", strings.Repeat("y", 9000)))
		q.subscriber.handOver()
		for ok, _, _ := c.take(); ok; ok, _, _ = c.take() {
			m := c.open()
			all = append(all, m)
			m.Data = append(m.Data, "grown"...)
		}
	}
	for i, m := range all {
		want := "abcgrown"
		if i%2 == 1 {
			want = strings.Repeat("y", 9000) + "grown"
		}
		if string(m.Data) != want || i%2 == 0 && (m.Reply != "r" || m.Header.Get("K") != "v") {
			t.Fatalf("message %d is %+v", i, m)
		}
	}
	m := all[0].Clone()
	all[0].Data[0], all[0].Header["k"][0] = 'x', "x"
	if string(m.Data) != "abcgrown" || m.Header.Get("k") != "v" {
		t.Errorf("the clone changed: %+v", m)
	}
}

func TestAllocations(t *testing.T) {
	for _, tc := range []struct {
		opts []Option
		most float64 // for 400 messages
	}{{[]Option{Reuse()}, 20}, {nil, 60}} {
		q := newQueue(t, Config{}, tc.opts...)
		c := q.consumer()
		op := message("s", "", "", strings.Repeat("x", 128))
		got := testing.AllocsPerRun(50, func() {
			for range 400 {
				q.receive(op)
			}
			q.subscriber.handOver()
			for ok, _, _ := c.take(); ok; ok, _, _ = c.take() {
				c.open()
			}
		})
		if got > tc.most {
			t.Errorf("with %d options: %v allocations for 400 messages, want %v at most", len(tc.opts), got, tc.most)
		}
	}
}

// Drops are told at once and then each second, and every one of them.
func TestDropsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, Config{}, MaxPending(1, -1), DropNewest())
		step := func(why string, want ...int64) {
			t.Helper()
			q.drops.mu.Lock()
			defer q.drops.mu.Unlock()
			if !slices.Equal(q.told, want) {
				t.Errorf("%s: told %v, want %v", why, q.told, want)
			}
		}
		q.read("a")
		step("nothing dropped")
		q.read("b", "c")
		step("the first at once", 2)
		q.read("d")
		q.read("e")
		step("no flood", 2)
		time.Sleep(tellEvery)
		synctest.Wait()
		step("the rest after a second", 2, 2)
		time.Sleep(10 * tellEvery)
		step("nothing more", 2, 2)
		q.read("f")
		step("at once again", 2, 2, 1)
		q.read("g")
		q.drops.end()
		step("the end tells what is left", 2, 2, 1, 1)
		q.read("h")
		step("and what comes late", 2, 2, 1, 1, 1)
	})
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for _, tc := range []struct {
		opt  Option
		want error
	}{
		{Option{}, nil}, {Queue("a.b"), nil}, {Queue(""), ErrBadSubject}, {Queue("a b"), ErrBadSubject},
		{MaxMessages(1), nil}, {MaxMessages(0), ErrBadOption}, {MaxMessages(-1), ErrBadOption},
		{MaxPending(-1, -1), nil}, {Block(0), ErrBadOption}, {Block(-1), ErrBadOption}, {Block(time.Hour), nil},
		{Concurrency(1), nil}, {Concurrency(0), ErrBadOption}, {Concurrency(2), ErrBadOption}, {Concurrency(1 << 20), ErrBadOption},
		{DropRepeats(1, 1), nil}, {DropRepeats(0, time.Second), ErrBadOption}, {DropRepeats(-1, time.Second), ErrBadOption},
		{DropRepeats(10, 0), ErrBadOption}, {DropRepeats(1<<30, time.Second), ErrBadOption},
	} {
		if _, err := optionsOf(Config{}.withDefaults(), false, []Option{tc.opt}); !errors.Is(err, tc.want) {
			t.Errorf("%+v: %v, want %v", tc.opt, err, tc.want)
		}
	}
	if _, err := optionsOf(Config{}.withDefaults(), true, []Option{Concurrency(8)}); err != nil {
		t.Errorf("concurrency of a handler: %v", err)
	}
}

// BenchmarkQueue bounds what a message costs from the reader to the consumer,
// without a socket and without anybody else.
func BenchmarkQueue(b *testing.B) {
	for _, bc := range []struct {
		name string
		opts []Option
	}{{"own", nil}, {"reuse", []Option{Reuse()}}} {
		b.Run(bc.name, func(b *testing.B) {
			const perRead = 400
			q := newQueue(b, Config{}, bc.opts...)
			c := q.consumer()
			d := message("orders.new", "", "", strings.Repeat("x", 128))
			b.ReportAllocs()
			for b.Loop() {
				for range perRead {
					q.receive(d)
				}
				q.subscriber.handOver()
				for ok, _, _ := c.take(); ok; ok, _, _ = c.take() {
					c.open()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/perRead, "ns/msg")
		})
	}
}
