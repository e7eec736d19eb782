package main

import (
	"slices"
	"testing"
)

func TestMemoryReturn(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		name string
		held []int64 // at each look
		due  []int   // the looks that ask for it
	}{
		{"nothing", []int64{0, 0, 0}, nil},
		{"it grows and stays", []int64{0, 100 * mb, 200 * mb, 200 * mb}, nil},
		{"it falls at once, is given back once", []int64{200 * mb, 0, 0, 0}, []int{2}},
		{"it falls in steps, and is given back behind the last", []int64{200 * mb, 90 * mb, 50 * mb, 10 * mb, 10 * mb, 10 * mb}, []int{4}},
		{"some is taken again meanwhile", []int64{200 * mb, 90 * mb, 91 * mb, 91 * mb}, []int{2}},
		{"half is not more than half", []int64{200 * mb, 100 * mb, 100 * mb}, nil},
		{"a little more is", []int64{200 * mb, 100*mb - 1, 100*mb - 1}, []int{2}},
		{"too little to be worth it", []int64{32 * mb, 0, 0}, nil},
		{"a little more is worth it", []int64{32*mb + 1, 0, 0}, []int{2}},
		{"again and again", []int64{100 * mb, 0, 0, 100 * mb, 0, 0}, []int{2, 5}},
		{"a peak between two falls", []int64{100 * mb, 40 * mb, 40 * mb, 90 * mb, 40 * mb, 40 * mb}, []int{2, 5}},
		{"what was given back does not count again", []int64{200 * mb, 60 * mb, 60 * mb, 31 * mb, 31 * mb}, []int{2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r memoryReturn
			for i, held := range c.held {
				if got, want := r.due(held, held), slices.Contains(c.due, i); got != want {
					t.Errorf("look %d at %d MiB: %v, want %v", i, held/mb, got, want)
				}
			}
		})
	}
	// A peak that no look has seen counts, once.
	var r memoryReturn
	for i, peak := range []int64{0, 200 * mb, 0, 33 * mb, 0} {
		if got, want := r.due(0, peak), peak > 0; got != want {
			t.Errorf("look %d, %d MiB in between: %v, want %v", i, peak/mb, got, want)
		}
	}
}
