package heartbeat

import (
	"math"
	"math/bits"
	"time"
)

// delays counts how long answers took, on a logarithmic scale with eight steps
// to each doubling, from 64 µs up. Old ones are forgotten: at limit all counts
// are halved.
type delays struct {
	counts [delaySteps]uint16
	total  uint16 // the sum of counts
	limit  uint16
	up     bool // the next halves are rounded up: what came once goes every other time
}

const (
	delaySteps = 200                  // up to half an hour
	delayUnit  = 8 * time.Microsecond // so that the smallest step has a width
)

// stepOf returns the step in which d lies.
func stepOf(d time.Duration) int {
	n := uint64(max(d, 8*delayUnit) / delayUnit)
	exponent := bits.Len64(n) - 1
	return min((exponent-3)<<3|int(n>>(exponent-3)&7), delaySteps-1)
}

// beginOf returns where a step begins.
func beginOf(step int) time.Duration {
	return time.Duration(8|step&7) << (step >> 3) * delayUnit
}

func (s *delays) add(d time.Duration) {
	if s.total == s.limit {
		s.halve()
	}
	s.counts[stepOf(d)]++
	s.total++
}

func (s *delays) halve() {
	s.total = 0
	for i, n := range s.counts {
		if s.up {
			n++
		}
		s.counts[i] = n / 2
		s.total += n / 2
	}
	s.up = !s.up
}

// lost is the delay of what never came.
const lost time.Duration = math.MaxInt64

// quantile returns a time that the given share of the answers took at most.
func (s *delays) quantile(share float64) time.Duration {
	most, sum := share*float64(s.total), 0.0
	for i, n := range s.counts {
		if sum += float64(n); sum >= most {
			return beginOf(i + 1)
		}
	}
	return beginOf(delaySteps)
}

// beyond are the counts of the answers that took longer, step by step.
type beyond [delaySteps + 1]float64

// beyond returns them for all steps at once.
func (s *delays) beyond() *beyond {
	var b beyond
	for i := delaySteps - 1; i >= 0; i-- {
		b[i] = b[i+1] + float64(s.counts[i])
	}
	return &b
}

// after returns what belongs to those that took d or longer, and to some that
// took little less.
func (b *beyond) after(d time.Duration) float64 { return b[stepOf(d)] }
