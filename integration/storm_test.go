package integration_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vigil/heartbeat"
	"vigil/internal/lab"
	"vigil/publisher"
	"vigil/subscriber"
)

// Ten thousand clients whose broker is killed and comes back half a second
// later: all are back soon, and not all at once.
//
// It runs alone: all of them are in this process.
func TestTenThousandComeBack(t *testing.T) {
	clients := 10_000
	if raceEnabled {
		clients = 500
	}
	brokers := lab.Brokers()
	if !*long {
		brokers = []string{lab.Vigil}
	}
	for _, broker := range brokers {
		t.Run(broker, func(t *testing.T) {
			h := newHost(t, onLoopback, broker)
			herd := &herd{back: make([]time.Time, clients), losses: make(map[string]int)}
			got := new(numbers)
			got.times = make(map[int]int)
			subs := make([]*subscriber.Subscriber, clients)
			defer func() {
				inParallel(clients, func(i int) {
					if subs[i] != nil {
						_ = subs[i].Close()
					}
				})
			}()
			inParallel(clients, func(i int) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				s, err := subscriber.Connect(ctx, h.url(), subscriber.Config{AttemptTimeout: stormAll, Heartbeat: stormBeat, OnEvent: func(e subscriber.Event) { herd.note(i, e) }})
				if err != nil {
					t.Error(err)
					return
				}
				subs[i] = s
				if _, err = s.SubscribeFunc("numbers", func(m *subscriber.Msg) { got.add(m.Data) }); err != nil {
					t.Error(err)
				}
				if err = s.Flush(ctx); err != nil {
					t.Error(err)
				}
			})
			if t.Failed() {
				return
			}
			// The second time shows what is left behind: the first makes stacks
			// grow.
			first, once := herd.storm(t, h)
			second, twice := herd.storm(t, h)
			// One of two, since this process and the broker share their CPUs with
			// whoever else is there.
			if min(first, second) > stormPeak {
				t.Errorf("one span of %v saw %.1f and %.1f times the mean, want at most %d", stormBucket, first, second, stormPeak)
			}
			t.Logf("memory of the clients: %d MiB, and %d MiB after another storm", once>>20, twice>>20)
			if twice > once+once/10 {
				t.Errorf("memory of the clients grew from %d to %d MiB", once>>20, twice>>20)
			}

			// Each has its subscription, once.
			feed := startFeed(t, h, publisher.Config{}, "numbers", 1, 0)
			got.await(t, 0)
			feed.finish(t)
			eventually(t, "every client has the first number", func() (met bool) {
				got.look(func() { met = got.times[0] == clients })
				return met
			})
		})
	}
}

// What is asked of a storm.
const (
	stormAway   = 500 * time.Millisecond // how long there is no broker
	stormAll    = 15 * time.Second       // when the last is to be back
	stormBucket = 250 * time.Millisecond
	stormPeak   = 3 // most in a bucket, in times of the mean
)

// stormBeat is slow: ten thousand clients and their broker on two processors
// are all late at times, and that is not the subject.
var stormBeat = heartbeat.Within(20 * time.Second)

// herd is what is known of all clients.
type herd struct {
	state
	back   []time.Time    // guarded by mu; when each was first back in this storm, zero if it is not
	missed int            // guarded by mu; how many are not
	losses map[string]int // guarded by mu; of this storm, by cause
}

func (h *herd) note(i int, e subscriber.Event) {
	switch e.Kind {
	case subscriber.EventLost:
		h.change(func() { h.losses[e.Loss.Cause.String()]++ })
	case subscriber.EventResumed:
		h.change(func() {
			if h.back[i].IsZero() {
				h.back[i] = e.At
				h.missed--
			}
		})
	}
}

// storm kills the broker and starts it again, waits until every client is back,
// and judges when they were. It returns how many times the mean came in the
// busiest span, and the memory in use.
func (h *herd) storm(t *testing.T, broker *host) (peak float64, memory uint64) {
	t.Helper()
	h.change(func() {
		clear(h.back)
		clear(h.losses)
		h.missed = len(h.back)
	})
	broker.proc.Kill()
	spell(t, stormAway)
	broker.start(t)
	up := time.Now()
	if !h.reached(t, func() bool { return h.missed == 0 }) {
		h.look(func() { t.Fatalf("%d clients are not back; losses: %v", h.missed, h.losses) })
	}
	var buckets []int
	h.look(func() {
		for _, at := range h.back {
			k := max(0, int(at.Sub(up)/stormBucket))
			for len(buckets) <= k {
				buckets = append(buckets, 0)
			}
			buckets[k]++
		}
	})
	took := time.Duration(len(buckets)) * stormBucket
	peak = float64(slices.Max(buckets)) * float64(len(buckets)) / float64(len(h.back))
	t.Logf("%d clients back within %v; each %v %v: most %.1f times the mean; losses: %v",
		len(h.back), took, stormBucket, buckets, peak, h.losses)
	if took > stormAll {
		t.Errorf("the last was back after %v, want %v", took, stormAll)
	}
	return peak, inUse()
}

// inParallel calls f for 0 to n-1, some at a time.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	next := atomic.Int64{}
	for range 64 {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				f(i)
			}
		})
	}
	wg.Wait()
}

// inUse returns the bytes of heap and stacks in use.
func inUse() uint64 {
	for range 4 { // a stack shrinks by half each time
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
