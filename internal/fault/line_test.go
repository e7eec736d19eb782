package fault

import (
	"math/rand/v2"
	"testing"
	"time"
)

// newTestLine is a line whose delays are always the same.
func newTestLine() *line { return &line{random: rand.New(rand.NewPCG(1, 2))} }

// leave takes all frames that leave by now and returns their numbers.
func leave(l *line, now time.Time) (numbers []byte) {
	for data := l.due(now); data != nil; data = l.due(now) {
		numbers = append(numbers, data[0])
	}
	return numbers
}

func TestLineDelays(t *testing.T) {
	l, t0 := newTestLine(), time.Unix(1000, 0)
	im := Impairment{Delay: time.Second}
	if _, ok := l.next(); ok || l.due(t0) != nil {
		t.Fatal("an empty line has something to send")
	}
	for i := range byte(3) {
		l.take(t0.Add(time.Duration(i)*time.Millisecond), []byte{i}, im)
	}
	if at, ok := l.next(); !ok || !at.Equal(t0.Add(time.Second)) {
		t.Fatalf("the first leaves at %v, %v", at, ok)
	}
	for _, c := range []struct {
		after time.Duration
		want  string
	}{
		{time.Second - 1, ""},
		{time.Second, "\x00"},
		{time.Second + 2*time.Millisecond, "\x01\x02"},
		{time.Hour, ""},
	} {
		if got := string(leave(l, t0.Add(c.after))); got != c.want {
			t.Errorf("after %v: %q leave, want %q", c.after, got, c.want)
		}
	}
	if l.bytes != 0 {
		t.Errorf("%d bytes held by an empty line", l.bytes)
	}
}

// A shorter delay does not overtake what is on its way.
func TestLineKeepsTheOrder(t *testing.T) {
	l, t0 := newTestLine(), time.Unix(1000, 0)
	l.take(t0, []byte{0}, Impairment{Delay: time.Second})
	l.take(t0, []byte{1}, Impairment{})
	l.take(t0, []byte{2}, Impairment{Reorder: true})
	if got := string(leave(l, t0)); got != "\x02" {
		t.Errorf("%q leave at once, want the one that may overtake", got)
	}
	if got := string(leave(l, t0.Add(time.Second))); got != "\x00\x01" {
		t.Errorf("%q leave, want both in order", got)
	}
}

func TestLineJitter(t *testing.T) {
	const n, delay, jitter = 10000, 50 * time.Millisecond, 20 * time.Millisecond
	l, t0 := newTestLine(), time.Unix(1000, 0)
	var least, most, sum time.Duration = time.Hour, 0, 0
	for range n {
		l.take(t0, []byte{0}, Impairment{Delay: delay, Jitter: jitter, Reorder: true})
		at, _ := l.next()
		l.due(at)
		took := at.Sub(t0)
		least, most, sum = min(least, took), max(most, took), sum+took
	}
	if least < delay-jitter || least > delay-jitter*99/100 || most > delay+jitter || most < delay+jitter*99/100 {
		t.Errorf("delays from %v to %v, want %v±%v", least, most, delay, jitter)
	}
	// The mean of n values has a standard deviation of 0.12 ms.
	if mean := sum / n; mean < delay-time.Millisecond || mean > delay+time.Millisecond {
		t.Errorf("mean %v, want %v", mean, delay)
	}
}

func TestLineIsBounded(t *testing.T) {
	const size = 1500
	l, t0 := newTestLine(), time.Unix(1000, 0)
	taken := 0
	for l.take(t0, make([]byte, size), Impairment{Delay: time.Second}) {
		taken++
	}
	if taken != maxHeld/size {
		t.Errorf("%d frames taken, want %d", taken, maxHeld/size)
	}
	leave(l, t0.Add(time.Second))
	if !l.take(t0, make([]byte, size), Impairment{}) {
		t.Error("an empty line has no room")
	}
}

// Whatever comes when, and however it is delayed: every frame leaves once, not
// before its least and not after its longest delay, and one that keeps its place
// not before those ahead of it.
func FuzzLine(f *testing.F) {
	f.Add([]byte{10, 5, 3, 1, 200, 100, 0, 0})
	f.Add([]byte{1, 0, 0, 1, 0, 255, 255, 0, 0, 7, 7, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		type sent struct {
			least, most time.Time
			reorder     bool
		}
		l, now := newTestLine(), time.Unix(1000, 0)
		var all []sent
		left := map[int]time.Time{}
		var latest time.Time
		pass := func(now time.Time) {
			for data := l.due(now); data != nil; data = l.due(now) {
				i := int(data[0])<<8 | int(data[1])
				if _, twice := left[i]; twice || now.Before(all[i].least) {
					t.Fatalf("frame %d left twice or too early", i)
				}
				left[i] = now
			}
		}
		for ; len(script) >= 4 && len(all) < 1000; script = script[4:] {
			now = now.Add(time.Duration(script[0]) * time.Millisecond)
			for at, ok := l.next(); ok && !at.After(now); at, ok = l.next() {
				pass(at)
			}
			delay := time.Duration(script[1]) * time.Millisecond
			jitter := min(delay, time.Duration(script[2])*time.Millisecond)
			im := Impairment{Delay: delay, Jitter: jitter, Reorder: script[3]&1 == 1}
			s := sent{now.Add(delay - jitter), now.Add(delay + jitter), im.Reorder}
			if !im.Reorder && s.most.Before(latest) {
				s.most = latest
			}
			if s.most.After(latest) {
				latest = s.most
			}
			l.take(now, []byte{byte(len(all) >> 8), byte(len(all))}, im)
			all = append(all, s)
		}
		for at, ok := l.next(); ok; at, ok = l.next() {
			pass(at)
		}
		for i, s := range all {
			at, ok := left[i]
			if !ok || at.After(s.most) {
				t.Fatalf("frame %d left at %v, %v; want %v at the latest", i, at, ok, s.most)
			}
			for j := range i {
				if !s.reorder && left[j].After(at) {
					t.Fatalf("frame %d left before frame %d", i, j)
				}
			}
		}
	})
}

func TestFlagsHaveNames(t *testing.T) {
	for f, want := range map[Flags]string{0: "none", FIN: "FIN", FIN | RST: "FIN|RST", FIN | SYN | RST: "FIN|SYN|RST"} {
		if f.String() != want {
			t.Errorf("%d is %q, want %q", f, f.String(), want)
		}
	}
}
