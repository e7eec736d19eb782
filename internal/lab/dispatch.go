package lab

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"vigil/internal/fault"
)

// dispatcher performs trials side by side as far as they do not disturb each
// other. It is owned by run, in one goroutine.
type dispatcher struct {
	matrix  Matrix
	sw      *fault.Switch
	scratch string // a directory for servers' files
	pending []*trial
	free    []int // numbers of hosts
	// contenders and loads are those of the trials under way.
	running, contenders, loads int
	found                      Findings
}

// ending is how a trial ended.
type ending struct {
	*trial
	numbers []int
	cells   []Cell
	err     error
}

func newDispatcher(m Matrix, sw *fault.Switch, scratch string, trials []*trial) *dispatcher {
	d := &dispatcher{matrix: m, sw: sw, scratch: scratch, pending: slices.Clone(trials)}
	for n := range mostHosts {
		d.free = append(d.free, firstHost+n)
	}
	// First what can only be done one after the other, then the longest.
	slices.SortStableFunc(d.pending, func(a, b *trial) int {
		if a.loads() != b.loads() {
			if a.loads() {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.length(), a.length())
	})
	return d
}

// run performs all trials, fewer if ctx ends. It tells the progress after each.
func (d *dispatcher) run(ctx context.Context, tell func(Progress)) {
	all := len(d.pending)
	work, began := d.matrix.lengthOf(d.pending), time.Now()
	ended := make(chan ending)
	tell(Progress{All: all, Left: work})
	for len(d.pending) > 0 && ctx.Err() == nil || d.running > 0 {
		if ctx.Err() == nil {
			d.startAll(ctx, ended)
		}
		e := <-ended
		d.take(e)
		done := all - len(d.pending) - d.running
		left := d.matrix.lengthOf(d.pending)
		if left == 0 {
			left = max(0, work-time.Since(began))
		}
		tell(Progress{Done: done, All: all, Left: left, What: e.String()})
	}
}

// startAll starts the trials for which there is room.
func (d *dispatcher) startAll(ctx context.Context, ended chan<- ending) {
	d.pending = slices.DeleteFunc(d.pending, func(t *trial) bool {
		if !d.fits(t) {
			return false
		}
		numbers := slices.Clone(d.free[:t.hosts()])
		d.free = d.free[t.hosts():]
		d.running++
		d.contenders += len(t.all)
		if t.loads() {
			d.loads++
		}
		t.sw, t.scratch, t.numbers = d.sw, d.scratch, slices.Clone(numbers)
		// Owned by the dispatcher, which waits for it in run.
		go func() {
			cells, err := t.perform(ctx)
			ended <- ending{t, numbers, cells, err}
		}()
		return true
	})
}

func (d *dispatcher) fits(t *trial) bool {
	if d.running == 0 {
		return true
	}
	return t.hosts() <= len(d.free) && d.contenders+len(t.all) <= mostContenders && (!t.loads() || d.loads < d.matrix.loads())
}

// take takes what a trial has found, and what it used.
func (d *dispatcher) take(e ending) {
	d.free = append(d.free, e.numbers...)
	d.running--
	d.contenders -= len(e.all)
	if e.loads() {
		d.loads--
	}
	switch {
	case errors.Is(e.err, context.Canceled):
	case errors.Is(e.err, errors.ErrUnsupported), errors.Is(e.err, errDisturbed):
		d.found.Skipped = append(d.found.Skipped, e.String()+": "+e.err.Error())
	case e.err != nil:
		d.found.Failed = append(d.found.Failed, e.String()+": "+e.err.Error())
	default:
		d.found.Cells = append(d.found.Cells, e.cells...)
	}
}
