package heartbeat

import "math"

// window keeps the latest samples, in seconds, and their mean and deviation.
type window struct {
	ring    []float64
	limit   int // of the ring
	next    int // to be replaced, once it is full
	sum     float64
	squares float64
}

func newWindow(limit int) window { return window{limit: limit} }

// add takes in a sample in place of the oldest. Once around, the sums are made
// anew, so that what rounding leaves does not grow.
func (w *window) add(x float64) {
	if len(w.ring) < w.limit {
		w.ring = append(w.ring, x)
		w.sum, w.squares = w.sum+x, w.squares+x*x
		return
	}
	old := w.ring[w.next]
	w.ring[w.next] = x
	w.sum, w.squares = w.sum+x-old, w.squares+x*x-old*old
	if w.next++; w.next == w.limit {
		w.next, w.sum, w.squares = 0, 0, 0
		for _, x := range w.ring {
			w.sum, w.squares = w.sum+x, w.squares+x*x
		}
	}
}

// mean is 0 without samples.
func (w *window) mean() float64 {
	if len(w.ring) == 0 {
		return 0
	}
	return w.sum / float64(len(w.ring))
}

func (w *window) deviation() float64 {
	if len(w.ring) == 0 {
		return 0
	}
	mean := w.mean()
	return math.Sqrt(max(0, w.squares/float64(len(w.ring))-mean*mean))
}
