package subscriber

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestRepeats(t *testing.T) {
	r := newRepeats(options{dropRepeats: true, repeats: 3, repeatWindow: time.Minute})
	now := time.Now()
	for _, step := range []struct {
		after time.Duration
		id    string
		want  bool
	}{
		{0, "a", false},
		{time.Second, "a", true},
		{time.Second, "b", false},
		{time.Second, "", false}, // an empty identifier is one, too
		{time.Second, "", true},
		{time.Second, "a", true},
		{time.Second, "c", false}, // a, the oldest, makes room
		{time.Second, "b", true},
		{time.Second, "a", false},
		{time.Second, "b", false},
		{59 * time.Second, "b", true},
		{time.Second, "b", false}, // a repeat does not prolong
	} {
		now = now.Add(step.after)
		if got := r.isRepeat([]byte(step.id), now); got != step.want {
			t.Errorf("%+v: %v", step, got)
		}
	}
	if newRepeats(options{}) != nil {
		t.Error("repeats are kept by nobody's wish")
	}
}

// Against a list that does the same, slowly.
func TestRepeatsAgainstAModel(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		limit, window := 1+rng.IntN(40), time.Duration(1+rng.IntN(100))
		r := newRepeats(options{dropRepeats: true, repeats: limit, repeatWindow: window})
		var model []sighting
		now := time.Now()
		for range 2000 {
			now = now.Add(time.Duration(rng.IntN(4)))
			id := fmt.Sprint(rng.IntN(60))
			for len(model) > 0 && now.Sub(model[0].at) >= window {
				model = model[1:]
			}
			want := false
			for _, s := range model {
				want = want || s.id == id
			}
			if !want {
				if len(model) == limit {
					model = model[1:]
				}
				model = append(model, sighting{id, now})
			}
			if got := r.isRepeat([]byte(id), now); got != want || len(r.seen) != len(model) || len(r.oldest) > limit {
				t.Fatalf("seed %d: %s is a repeat: %v, want %v; %d kept, want %d", seed, id, got, want, len(r.seen), len(model))
			}
		}
	}
}
