package fault

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// maxHeld bounds what one direction of a delayed link holds, in bytes: 50 ms of
// 2 Gbit/s. What comes on top is lost, as in a router whose memory is full.
const maxHeld = 16 << 20

// line is one direction of a delayed link: it decides when each frame leaves.
// It is pure: it is told the time, and does no I/O.
type line struct {
	random *rand.Rand
	held   frames
	bytes  int       // the sum of held
	count  uint64    // frames taken so far
	latest time.Time // when the last of them leaves
}

// frame is a frame on its way.
type frame struct {
	leaves time.Time
	number uint64 // tells frames that leave at the same time apart
	data   []byte
}

// take takes a frame that came at now, to be delayed as im says, and reports
// whether there was room for it. The line keeps data.
func (l *line) take(now time.Time, data []byte, im Impairment) bool {
	if l.bytes+len(data) > maxHeld {
		return false
	}
	leaves := now.Add(im.Delay)
	if im.Jitter > 0 {
		leaves = leaves.Add(time.Duration(l.random.Int64N(2*int64(im.Jitter)+1)) - im.Jitter)
	}
	if !im.Reorder && leaves.Before(l.latest) {
		leaves = l.latest
	}
	if leaves.After(l.latest) {
		l.latest = leaves
	}
	heap.Push(&l.held, frame{leaves, l.count, data})
	l.count++
	l.bytes += len(data)
	return true
}

// due returns the next frame that has to leave by now, or nil.
func (l *line) due(now time.Time) []byte {
	if len(l.held) == 0 || l.held[0].leaves.After(now) {
		return nil
	}
	data := heap.Pop(&l.held).(frame).data
	l.bytes -= len(data)
	return data
}

// next returns when the next frame leaves; ok is false if there is none.
func (l *line) next() (at time.Time, ok bool) {
	if len(l.held) == 0 {
		return time.Time{}, false
	}
	return l.held[0].leaves, true
}

// frames is a heap of frames, the next to leave at its root.
type frames []frame

// Len implements heap.Interface.
func (f frames) Len() int { return len(f) }

// Less implements heap.Interface.
func (f frames) Less(i, j int) bool {
	if f[i].leaves.Equal(f[j].leaves) {
		return f[i].number < f[j].number
	}
	return f[i].leaves.Before(f[j].leaves)
}

// Swap implements heap.Interface.
func (f frames) Swap(i, j int) { f[i], f[j] = f[j], f[i] }

// Push implements heap.Interface.
func (f *frames) Push(x any) { *f = append(*f, x.(frame)) }

// Pop implements heap.Interface.
func (f *frames) Pop() any {
	last := len(*f) - 1
	x := (*f)[last]
	(*f)[last] = frame{} // the memory is the garbage collector's now
	*f = (*f)[:last]
	return x
}
