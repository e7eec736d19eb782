package heartbeat

import (
	"math"
	"time"
)

// extremes keeps the longest of many spans, of the present age and of the one
// before: what is rare must be remembered for long.
type extremes struct {
	present, before age
}

// age is the longest of so many spans, the longest first.
type age struct {
	longest [extremesKept]time.Duration
	count   int
}

const (
	// extremesKept are enough for a mean, and few enough to be extreme; the
	// very longest is not among those of which the mean is taken.
	extremesKept = 9

	// ageSpans is the length of an age, most of a day if a span is measured
	// each 2 s.
	ageSpans = 32_768
)

// add takes in a span.
func (e *extremes) add(d time.Duration) {
	if e.present.count == ageSpans {
		e.before, e.present = e.present, age{}
	}
	e.present.count++
	l := &e.present.longest
	if d <= l[len(l)-1] {
		return
	}
	i := len(l) - 1
	for ; i > 0 && l[i-1] < d; i-- {
		l[i] = l[i-1]
	}
	l[i] = d
}

// tail returns the Tail beyond the longest spans that exceed usual, taken for
// exponential: more than from took the share often, and excess more than that
// the mean of those. Both are a standard deviation more than was seen. The very
// longest is forgiven: if it is the only one, there is no tail, and often is 0.
func (e *extremes) tail(usual time.Duration) (from time.Duration, often float64, excess time.Duration) {
	var all [extremesKept]time.Duration
	n, i, j := 0, 0, 0
	for ; n < extremesKept; n++ { // merge
		a, b := e.present.longest[i], e.before.longest[j]
		if max(a, b) <= usual {
			break
		}
		if all[n] = max(a, b); a >= b {
			i++
		} else {
			j++
		}
	}
	from = usual
	if n == extremesKept { // the least of them is where the others begin
		n--
		from = all[n]
	}
	if n < 2 {
		return from, 0, 1
	}
	n-- // all[0] is forgiven
	var sum time.Duration
	for _, d := range all[1 : n+1] {
		sum += d - from
	}
	few := 1 + 1/math.Sqrt(float64(n))
	often = float64(n) * few / float64(e.present.count+e.before.count)
	return from, often, max(1, time.Duration(few*float64(sum/time.Duration(n))))
}
