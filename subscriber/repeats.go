package subscriber

import "time"

// repeats knows the identifiers of the messages handed out lately, bounded in
// number and in time. It takes the time and does not know a lock.
type repeats struct {
	// Fixed after construction.
	max    int
	window time.Duration

	seen   map[string]struct{}
	oldest []sighting // a ring: the oldest is at head
	head   int
}

type sighting struct {
	id string
	at time.Time
}

// newRepeats returns nil for a subscription that keeps none.
func newRepeats(o options) *repeats {
	if !o.dropRepeats {
		return nil
	}
	return &repeats{max: o.repeats, window: o.repeatWindow, seen: make(map[string]struct{})}
}

// isRepeat reports whether id was seen within the window, and notes it if not.
// A repeat does not prolong the time for which the first is remembered.
func (r *repeats) isRepeat(id []byte, now time.Time) bool {
	for len(r.seen) > 0 && now.Sub(r.oldest[r.head].at) >= r.window {
		r.forget()
	}
	if _, ok := r.seen[string(id)]; ok {
		return true
	}
	if len(r.seen) == r.max {
		r.forget()
	}
	r.note(sighting{string(id), now})
	return false
}

// forget drops the oldest identifier.
func (r *repeats) forget() {
	delete(r.seen, r.oldest[r.head].id)
	r.oldest[r.head] = sighting{}
	r.head = (r.head + 1) % len(r.oldest)
}

// note adds the newest one.
func (r *repeats) note(s sighting) {
	if n := len(r.seen); n == len(r.oldest) {
		larger := make([]sighting, min(max(2*n, 16), r.max))
		copy(larger[copy(larger, r.oldest[r.head:]):], r.oldest[:r.head])
		r.oldest, r.head = larger, 0
	}
	r.oldest[(r.head+len(r.seen))%len(r.oldest)] = s
	r.seen[s.id] = struct{}{}
}
