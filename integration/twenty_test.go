package integration_test

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/internal/fault"
	"vigil/internal/lab"
	"vigil/publisher"
	"vigil/subscriber"
)

// Twenty of twenty: each of many crashes in a row is noticed in time and
// recovered from, whatever the client is doing, and nothing is left behind.
//
// It runs alone, so that its figures, and what it counts before and after, are
// its own.
func TestTwentyOfTwenty(t *testing.T) {
	rounds := 20
	if *long {
		rounds = 100
	}
	t.Run("warm up", func(t *testing.T) { // what is opened once and for all is opened here
		runRounds(t, 1, new(figures))
	})
	before, goroutines := descriptors(), runtime.NumGoroutine()
	f := new(figures)
	t.Run("rounds", func(t *testing.T) { runRounds(t, rounds, f) })
	t.Logf("silence from the last byte heard to the verdict, promised within %v:\n%s", promise, f)
	if t.Failed() {
		return
	}
	eventually(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= goroutines })
	if more := grown(before, descriptors()); len(more) > 0 {
		t.Errorf("descriptors left: %v", more)
	}
	if left := children(os.Getpid()); len(left) > 0 {
		t.Errorf("children left: %v", left)
	}
}

// runRounds makes so many crashes of each broker, in each mode that is
// possible.
func runRounds(t *testing.T, rounds int, f *figures) {
	modes := []fault.Mode{fault.PacketsDropped}
	if *long || fault.Isolation() != nil && os.Getenv(requireEnv) == "" {
		modes = append(modes, fault.Proxied)
	}
	for _, mode := range modes {
		for _, broker := range lab.Brokers() {
			t.Run(string(mode)+"/"+broker, func(t *testing.T) {
				t.Parallel()
				crashAgainAndAgain(t, mode, broker, rounds, f)
			})
		}
	}
}

// crashAgainAndAgain shares each crash of one broker among all kinds of
// clients.
func crashAgainAndAgain(t *testing.T, mode fault.Mode, broker string, rounds int, f *figures) {
	h := newHost(t, mode, broker)
	// The heartbeat's defaults throughout. Only the attempts are quicker, so
	// that the test is: one at a host that is away ends after its timeout.
	const attempt, wait = 300 * time.Millisecond, 50 * time.Millisecond
	sub := subscriber.Config{AttemptTimeout: attempt, RetryBase: wait, RetryCap: wait}
	pub := publisher.Config{AttemptTimeout: attempt, RetryBase: wait, RetryCap: wait}
	idle, receiving := listen(t, h, sub), listen(t, h, sub)
	idle.collect(t, "nothing", "")
	got := receiving.collect(t, "numbers", "")
	gentle := startFeed(t, h, pub, "numbers", 1, 0)
	full := startFlood(t, h, pub)
	kinds := []struct {
		name  string
		diary *diary
	}{
		{"idle", &idle.diary}, {"receiving", &receiving.diary},
		{"publishing", &gentle.diary}, {"at full speed", &full.diary},
	}
	places := make([]int, len(kinds))
	for range rounds {
		got.await(t, gentle.next()+50)
		full.awaitMore(t, 16<<20)
		for k := range kinds {
			places[k] = kinds[k].diary.here()
		}
		vanished := h.vanish(t)
		for k, kind := range kinds {
			lost := kind.diary.await(t, places[k], subscriber.EventLost)
			f.add(broker, mode, kind.name, checkNoticed(t, kind.name, lost, vanished))
			if mode == fault.PacketsDropped {
				checkCause(t, kind.name, lost, subscriber.CauseHostGone)
			}
		}
		h.comeBack(t)
		for k, kind := range kinds {
			kind.diary.await(t, places[k], subscriber.EventResumed)
		}
	}
	got.await(t, gentle.next()+50)
	for _, kind := range kinds {
		lost, resumed := len(kind.diary.all(subscriber.EventLost)), len(kind.diary.all(subscriber.EventResumed))
		if lost != rounds || resumed != rounds {
			t.Errorf("%s: %d crashes, %d losses, %d recoveries:\n%s", kind.name, rounds, lost, resumed, kind.diary)
		}
	}
}

// figures are the silences measured.
type figures struct {
	mu   sync.Mutex
	rows []*row // guarded by mu
}

type row struct {
	mode     fault.Mode
	broker   string
	kind     string
	silences []time.Duration
}

func (f *figures) add(broker string, mode fault.Mode, kind string, silence time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rows {
		if r.broker == broker && r.mode == mode && r.kind == kind {
			r.silences = append(r.silences, silence)
			return
		}
	}
	f.rows = append(f.rows, &row{mode, broker, kind, []time.Duration{silence}})
}

// String returns the figures as a table.
func (f *figures) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.SortStableFunc(f.rows, func(a, b *row) int {
		return cmp.Or(cmp.Compare(a.mode, b.mode), cmp.Compare(b.broker, a.broker))
	})
	var b strings.Builder
	fmt.Fprintf(&b, "%-16s %-12s %-14s %8s %8s %8s %8s\n", "mode", "broker", "client", "in time", "min", "median", "max")
	for _, r := range f.rows {
		slices.Sort(r.silences)
		n, inTime := len(r.silences), 0
		for _, s := range r.silences {
			if s <= promise {
				inTime++
			}
		}
		fmt.Fprintf(&b, "%-16s %-12s %-14s %5d/%-2d %8.4f %8.4f %8.4f\n", r.mode, r.broker, r.kind, inTime, n,
			r.silences[0].Seconds(), r.silences[n/2].Seconds(), r.silences[n-1].Seconds())
	}
	return b.String()
}
