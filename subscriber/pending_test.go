package subscriber

import (
	"testing"
	"testing/synctest"
	"time"

	"vigil/heartbeat"
)

func TestEpisodesOfDropping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPending(Config{MaxPending: 4, MaxPendingBytes: -1})
		told := 0
		fill := func(n int) {
			for range n {
				if p.put(&Msg{}) && p.drop() != nil {
					told++
				}
			}
		}
		empty := func(n int) {
			for range n {
				if m, _, _ := p.take(); m == nil {
					t.Fatal("nothing to take")
				}
				p.done()
			}
		}
		step := func(why string, wantTold int, wantDropped int64) {
			t.Helper()
			if _, _, _, dropped := p.count(); told != wantTold || dropped != wantDropped {
				t.Errorf("%s: told %d times of %d dropped, want %d of %d", why, told, dropped, wantTold, wantDropped)
			}
		}
		fill(4)
		step("full", 0, 0)
		fill(3)
		step("the first of an episode is told", 1, 3)
		empty(4)
		fill(5)
		step("an episode lasts for a second", 1, 4)
		time.Sleep(minEpisode)
		empty(1)
		fill(2)
		step("an episode lasts until the queue is half empty", 1, 5)
		empty(3)
		fill(4)
		step("the next one is told again", 2, 6)
		if p.end(false, ErrClosed); p.put(&Msg{}) {
			t.Error("no room after the end")
		}
	})
}

func TestBytesAreBounded(t *testing.T) {
	p := newPending(Config{MaxPending: -1, MaxPendingBytes: 1000})
	if p.put(&Msg{Data: make([]byte, 5000)}) {
		t.Error("an empty queue takes any message")
	}
	if !p.put(&Msg{}) {
		t.Error("over the bound")
	}
}

func TestAwaitRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPending(Config{MaxPending: 2, MaxPendingBytes: -1})
		p.put(&Msg{})
		p.put(&Msg{})
		start := time.Now()
		p.awaitRoom(time.Second)
		if d := time.Since(start); d != time.Second {
			t.Errorf("waited %v for nobody, want a second", d)
		}
		time.AfterFunc(100*time.Millisecond, func() { p.take() })
		start = time.Now()
		p.awaitRoom(time.Second)
		if d := time.Since(start); d != 100*time.Millisecond {
			t.Errorf("waited %v, want until there is room", d)
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
