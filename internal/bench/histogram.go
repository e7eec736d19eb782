package bench

import (
	"math/bits"
	"time"
)

// histogram counts times in steps of an eighth of a power of two, so that a
// percentile is at most an eighth too large, whatever its size. The zero value
// is empty.
type histogram struct {
	counts [histogramSteps]int64
	total  int64
}

const (
	// stepBits is how many bits behind the first of a time tell its step.
	stepBits = 3
	// histogramSteps reaches beyond an hour, in microseconds.
	histogramSteps = 33 << stepBits
)

// add counts a time.
func (h *histogram) add(d time.Duration) {
	h.counts[histogramStep(d)]++
	h.total++
}

// merge adds what other has counted.
func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// percentile returns a time that that share of the times do not exceed, in
// microseconds.
func (h *histogram) percentile(share float64) float64 {
	if h.total == 0 {
		return none
	}
	left := share * float64(h.total)
	for i, n := range h.counts {
		if left -= float64(n); left <= 0 && n > 0 {
			return float64(stepEnd(i))
		}
	}
	return float64(stepEnd(histogramSteps - 1))
}

// histogramStep returns the step of a time: its microseconds below 8, then its
// leading bits.
func histogramStep(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < 1<<stepBits {
		return int(us)
	}
	shift := bits.Len64(us) - 1 - stepBits
	return min(shift<<stepBits+int(us>>shift), histogramSteps-1)
}

// stepEnd returns the first number of microseconds behind a step.
func stepEnd(i int) uint64 {
	if i < 1<<stepBits {
		return uint64(i) + 1
	}
	shift := i>>stepBits - 1
	return (uint64(i) - uint64(shift<<stepBits) + 1) << shift
}
