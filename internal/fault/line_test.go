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

func TestFlagsHaveNames(t *testing.T) {
	for f, want := range map[Flags]string{0: "none", FIN: "FIN", FIN | RST: "FIN|RST", FIN | SYN | RST: "FIN|SYN|RST"} {
		if f.String() != want {
			t.Errorf("%d is %q, want %q", f, f.String(), want)
		}
	}
}
