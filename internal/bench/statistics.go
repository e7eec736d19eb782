package bench

import (
	"math"
	"slices"
	"time"
)

// none is a figure that there is not.
var none = math.NaN()

// Summary is what several rounds came to.
type Summary struct {
	Median, Min, Max float64
}

// summarize returns nil if there is no figure among them.
func summarize(figures []float64) *Summary {
	known := slices.DeleteFunc(slices.Clone(figures), math.IsNaN)
	if len(known) == 0 {
		return nil
	}
	slices.Sort(known)
	return &Summary{Median: median(known), Min: known[0], Max: known[len(known)-1]}
}

// median is that of sorted figures: the middle one, or the mean of both.
func median(sorted []float64) float64 {
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// noise is how much of the median lies between the least and the most.
func (s *Summary) noise() float64 {
	if s == nil || s.Median == 0 {
		return 0
	}
	return (s.Max - s.Min) / s.Median
}

// percentile returns the least time that at least that share of the sorted
// times do not exceed (the nearest-rank method), in microseconds.
func percentile(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return none
	}
	rank := int(math.Ceil(share * float64(len(sorted))))
	return micros(sorted[min(max(rank, 1), len(sorted))-1])
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
