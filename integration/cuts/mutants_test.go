package cuts_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// forged is a history as it should be: some messages at risk, of which some are
// lost; one deaf window.
func forged(confirmed bool) *history {
	start := time.Now()
	h := &history{confirmed: confirmed, atRisk: map[int]bool{}}
	for n := range 1000 {
		h.published = append(h.published, start.Add(time.Duration(n)*time.Second))
		if n >= 300 && n < 310 && !confirmed {
			h.atRisk[n] = true
			if n >= 305 {
				continue
			}
		}
		h.steady, h.unique = append(h.steady, n), append(h.unique, n)
		if n < 600 || n > 610 {
			h.cut = append(h.cut, n)
		}
	}
	if confirmed { // a run that was sent again
		h.steady = slices.Insert(h.steady, 400, h.steady[390:400]...)
	}
	for _, n := range h.steady {
		h.routed = append(h.routed, h.published[n])
	}
	h.deaf = []span{{h.published[600], h.published[610]}}
	return h
}

func TestMutants(t *testing.T) {
	at := func(list []int, n int) int { return slices.Index(list, n) }
	mutants := map[string]func(h *history, n int){
		"lost": func(h *history, n int) {
			k := at(h.steady, n)
			h.steady, h.routed = slices.Delete(h.steady, k, k+1), slices.Delete(h.routed, k, k+1)
		},
		"lost on the other": func(h *history, n int) { k := at(h.cut, n); h.cut = slices.Delete(h.cut, k, k+1) },
		"phantom": func(h *history, n int) {
			h.steady, h.routed = append(h.steady, len(h.published)+n), append(h.routed, time.Now())
		},
		"twice":                   func(h *history, n int) { h.unique = slices.Insert(h.unique, at(h.unique, n)+1, n) },
		"swapped":                 func(h *history, n int) { k := at(h.unique, n); h.unique[k], h.unique[k+1] = h.unique[k+1], h.unique[k] },
		"dropped as a repeat":     func(h *history, n int) { k := at(h.unique, n); h.unique = slices.Delete(h.unique, k, k+1) },
		"corrupt":                 func(h *history, n int) { h.corrupt = append(h.corrupt, fmt.Sprint("corrupt: ", n)) },
		"the tail is missing":     func(h *history, n int) { h.steady = h.steady[:len(h.steady)-1-n%50] },
		"a window that ends late": func(h *history, n int) { h.deaf[0].to = h.published[605] },
	}
	for _, confirmed := range []bool{false, true} {
		if wrong := forged(confirmed).judge(); wrong != nil {
			t.Fatalf("confirmed %v: a history as it should be is convicted: %q", confirmed, wrong)
		}
		for name, mutate := range mutants {
			if confirmed && (name == "lost on the other" || name == "a window that ends late") {
				continue // what was sent again came at another time than it was published
			}
			for seed := range uint64(20) {
				h := forged(confirmed)
				mutate(h, 1+rand.New(rand.NewPCG(seed, 3)).IntN(280))
				if h.judge() == nil {
					t.Errorf("confirmed %v: %s, seed %d: not convicted", confirmed, name, seed)
				}
			}
		}
	}
}

func TestPayload(t *testing.T) {
	for n := range 1000 {
		data := payload(n)
		if got, err := number(data); got != n || err != nil {
			t.Fatalf("%q: %d, %v", data, got, err)
		}
		data[n%len(data)] ^= 1
		if _, err := number(data); err == nil {
			t.Fatalf("%q is not found to be corrupt", data)
		}
	}
}
