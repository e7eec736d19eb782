package qos

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// epoch is when every world begins. The date plays no part, only spans since
// then do; and those are computed faster between times with a monotonic reading,
// as real ones have.
var epoch = time.Now()

// Cell is one measurement to make.
type Cell struct {
	Model    Model
	Detector Detector
}

// Cells returns all pairs, model by model.
func Cells(models []Model, detectors []Detector) []Cell {
	var cells []Cell
	for _, m := range models {
		for _, d := range detectors {
			cells = append(cells, Cell{m, d})
		}
	}
	return cells
}

// Run measures the cells on all processors, and returns the results in their
// order; it does not depend on how many processors there are. tell is called,
// from one goroutine at a time, with each cell that is done. The error is ctx's.
func Run(ctx context.Context, cells []Cell, length Length, tell func(done int, c Cell)) ([]Result, error) {
	results := make([]Result, len(cells))
	var mu sync.Mutex // guards next and done, and is held while telling
	next, done := 0, 0
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		i := next
		next++
		return i
	}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		// Ends when there is nothing left or ctx is; Run waits for it.
		workers.Go(func() {
			for i := take(); i < len(cells) && ctx.Err() == nil; i = take() {
				results[i] = Measure(cells[i].Model, cells[i].Detector, length)
				mu.Lock()
				done++
				tell(done, cells[i])
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return results, ctx.Err()
}
