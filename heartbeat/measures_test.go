package heartbeat

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// The window's sums against those of a naive one.
func TestWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	w := newWindow(7)
	if w.mean() != 0 || w.deviation() != 0 {
		t.Error("an empty window has a mean or a deviation")
	}
	var all []float64
	for range 1000 {
		x := r.ExpFloat64() * 1000
		w.add(x)
		all = append(all, x)
		last := all[max(0, len(all)-7):]
		mean, squares := 0.0, 0.0
		for _, x := range last {
			mean += x / float64(len(last))
		}
		for _, x := range last {
			squares += (x - mean) * (x - mean) / float64(len(last))
		}
		if math.Abs(w.mean()-mean) > 1e-6 || math.Abs(w.deviation()-math.Sqrt(squares)) > 1e-3 {
			t.Fatalf("mean %v, deviation %v, want %v, %v", w.mean(), w.deviation(), mean, math.Sqrt(squares))
		}
	}
}

// Each span lies in its step, and steps are an eighth of a doubling or less wide.
func TestDelaySteps(t *testing.T) {
	for step := range delaySteps {
		begin, end := beginOf(step), beginOf(step+1)
		if stepOf(begin) != step || stepOf(end-1) != step {
			t.Fatalf("step %d from %v to %v: they lie in %d and %d", step, begin, end, stepOf(begin), stepOf(end-1))
		}
		if float64(end)/float64(begin) > 1.126 {
			t.Fatalf("step %d from %v to %v", step, begin, end)
		}
	}
	for d, want := range map[time.Duration]int{-1: 0, 0: 0, 1: 0, lost: delaySteps - 1, time.Hour: delaySteps - 1} {
		if got := stepOf(d); got != want {
			t.Errorf("%v lies in step %d, want %d", d, got, want)
		}
	}
}

// Counts are exact but for the width of a step until they are halved, and then
// keep their shares.
func TestDelays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	s := delays{limit: 1000}
	var all []time.Duration
	for range 1000 {
		d := time.Duration(r.ExpFloat64() * float64(20*time.Millisecond))
		s.add(d)
		all = append(all, d)
	}
	slices.Sort(all)
	b := s.beyond()
	for _, i := range []int{100, 500, 900, 990} {
		if got := int(b.after(all[i])); got < 1000-i || got > 1000-i+130 {
			t.Errorf("%d took %v or longer, want %d or a few more", got, all[i], 1000-i)
		}
		if got := s.quantile(float64(i) / 1000); got < all[i-1] || float64(got) > 1.13*float64(all[i-1]) {
			t.Errorf("quantile %v is %v, want %v", float64(i)/1000, got, all[i-1])
		}
	}
	for range 100_000 {
		s.add(time.Duration(r.ExpFloat64() * float64(20*time.Millisecond)))
	}
	sum := 0
	for _, n := range s.counts {
		sum += int(n)
	}
	if sum != int(s.total) || sum > 1000 || sum < 400 {
		t.Errorf("total %d, sum %d", s.total, sum)
	}
	if got := s.beyond().after(20*time.Millisecond) / float64(sum); got < 0.3 || got > 0.5 {
		t.Errorf("a share of %v took the mean or longer, want 0.37", got)
	}
}

// The tail of exponential spans is found again, and with one outlier as well.
func TestExtremes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const mean = 100 * time.Millisecond
	for _, n := range []int{10, 1000, ageSpans, 3 * ageSpans} {
		var e extremes
		var all []time.Duration
		for range n {
			d := time.Duration(r.ExpFloat64() * float64(mean))
			e.add(d)
			all = append(all, d)
		}
		kept := all[max(0, (n-1)/ageSpans-1)*ageSpans:]
		slices.Sort(kept)
		slices.Reverse(kept)
		from, often, excess := e.tail(0)
		at := min(len(kept), extremesKept) - 1
		if n > extremesKept && from != kept[at] {
			t.Errorf("%d spans: tail from %v, want %v", n, from, kept[at])
		}
		if low, high := 0.5*float64(mean), 3*float64(mean); float64(excess) < low || float64(excess) > high {
			t.Errorf("%d spans: excess %v, want about %v", n, excess, mean)
		}
		if want := 8 / float64(len(kept)); n > extremesKept && (often < want || often > 1.4*want) {
			t.Errorf("%d spans: %v are in the tail, want %v and a deviation", n, often, want)
		}
	}
	var e extremes
	for range 1000 {
		e.add(time.Millisecond)
	}
	e.add(time.Second)
	if _, often, _ := e.tail(10 * time.Millisecond); often != 0 {
		t.Errorf("one outlier makes a tail of %v", often)
	}
	e.add(time.Second)
	if from, often, excess := e.tail(10 * time.Millisecond); from != 10*time.Millisecond || often < 1./1002 || excess < 900*time.Millisecond {
		t.Errorf("two outliers make a tail from %v of %v and %v", from, often, excess)
	}
}
