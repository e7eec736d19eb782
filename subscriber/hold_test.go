package subscriber

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vigil/heartbeat"
)

func TestHeldReader(t *testing.T) {
	for _, tc := range []struct {
		name    string
		opt     Option
		frees   time.Duration // when the consumer takes all
		want    time.Duration // how long the reader is held
		dropped int64
	}{
		{"never", DropNewest(), 0, 0, 3},
		{"the oldest go", DropOldest(), 0, 0, 3},
		{"briefly, in vain", Option{}, time.Hour, 150 * time.Millisecond, 3},
		{"briefly", Option{}, 50 * time.Millisecond, 50 * time.Millisecond, 0},
		{"as long as told, in vain", Block(5 * time.Second), time.Hour, 5 * time.Second, 3},
		{"until there is room", Block(5 * time.Second), 3 * time.Second, 3 * time.Second, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(t, Config{Heartbeat: heartbeat.Within(2 * time.Second)}, MaxPending(4, -1), tc.opt)
			if tc.frees > 0 {
				timer := time.AfterFunc(tc.frees, func() { q.takeAll() })
				defer timer.Stop()
			}
			q.read("a", "b", "c")
			start := time.Now()
			q.read("d", "e", "f", "g")
			if d := time.Since(start); d < tc.want-5*time.Millisecond || d > tc.want+5*time.Millisecond {
				t.Errorf("%s: held for %v, want %v", tc.name, d, tc.want)
			}
			if q.Dropped() != tc.dropped {
				t.Errorf("%s: %d dropped, want %d", tc.name, q.Dropped(), tc.dropped)
			}
			start = time.Now()
			if tc.dropped > 0 && tc.opt.set != nil {
				if q.read("h"); time.Since(start) > 0 {
					t.Errorf("%s: held again for %v, though half of the room was never free", tc.name, time.Since(start))
				}
			}
		})
	}
}

// A message that needs more than half of the room waits for that much.
func TestHeldForALargeMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, Config{}, MaxPending(-1, 1000), Block(time.Hour))
		q.read("a", "b")
		c := q.consumer()
		defer c.stop()
		for i := range 3 {
			time.AfterFunc(time.Duration(i+1)*time.Second, func() { c.take() })
		}
		start := time.Now()
		if q.read(strings.Repeat("x", 900)); time.Since(start) != 2*time.Second || q.Dropped() != 0 {
			t.Errorf("held for %v and %d dropped, want 2 s, when all that waited is taken", time.Since(start), q.Dropped())
		}
		time.Sleep(time.Minute)
	})
}

// Closing lets go of a reader that is held.
func TestCloseReleasesTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, Config{}, MaxPending(1, -1), Block(time.Hour))
		time.AfterFunc(time.Second, q.subscriber.cancel)
		start := time.Now()
		if q.read("a", "b"); time.Since(start) != time.Second {
			t.Errorf("held for %v, want until the end after a second", time.Since(start))
		}
	})
}

func TestPatienceIsBoundedByTheHeartbeat(t *testing.T) {
	hb := heartbeat.Within(time.Second) // Interval 150 ms
	p := newPatience(hb.Bound())
	now := time.Now()
	step := func(why string, want time.Duration) {
		t.Helper()
		if got := p.allowance(now); got != want {
			t.Errorf("%s: %v, want %v", why, got, want)
		}
	}
	step("half an Interval", 75*time.Millisecond)
	p.spend(50 * time.Millisecond)
	now = now.Add(50 * time.Millisecond)
	step("what is left", 25*time.Millisecond)
	p.spend(30 * time.Millisecond)
	step("nothing is left", 0)
	now = now.Add(100 * time.Millisecond)
	step("the next Interval", 75*time.Millisecond)
	p = newPatience(heartbeat.Lesson().Bound())
	step("a slow heartbeat", maxPatience)
}
