package broker

import (
	"math"
	"sync"
	"time"
)

// usage measures what the process uses.
type usage struct {
	mu   sync.Mutex
	at   time.Time     // of the last sample
	busy time.Duration // processor time until then
	cpu  float64       // percent of one core between the last two samples
}

// sampleAfter is the shortest time that processor use is measured over.
const sampleAfter = time.Second

// now returns the resident memory, in bytes, and the percentage of one core
// that the process has used since it was asked last; at first, since it is
// asked.
func (u *usage) now() (memory int64, cpu float64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now, busy := time.Now(), processorTime()
	if span := now.Sub(u.at); u.at.IsZero() || span >= sampleAfter {
		if !u.at.IsZero() {
			u.cpu = math.Round(1000*float64(busy-u.busy)/float64(span)) / 10
		}
		u.at, u.busy = now, busy
	}
	return residentMemory(), u.cpu
}
