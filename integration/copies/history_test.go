package copies_test

import (
	"fmt"
	"slices"
	"strings"
)

const (
	publishers = 4
	branches   = 5 // the subjects of each publisher
)

// subjectOf is where publisher p sends its message n.
func subjectOf(p, n int) string { return fmt.Sprintf("s.%d.p%d", n%branches, p) }

// one is a message: number n of publisher p.
type one struct{ p, n int }

// marks hold a number for each publisher.
type marks [publishers]int

// span is the life of one subscription, and what it was sent.
//
// A publisher's numbers from may.from up to may.to could come: those before were
// confirmed to their publisher when the SUB had not been sent, those behind were
// not yet published when the UNSUB had been confirmed. Those from must.from up to
// must.to had to: they were published when the SUB had been confirmed, and
// confirmed when the UNSUB had not been sent.
type span struct {
	name    string
	pattern string
	queue   string
	max     int // of an UNSUB right behind the SUB; 0 is none
	may     bounds
	must    bounds
	copies  []one // in the order in which they arrived
}

type bounds struct{ from, to marks }

// history is all that a run did. In each queue group one member at least took
// everything from the beginning to the end.
type history struct {
	messages int // of each publisher
	spans    []*span
}

// judge returns what is wrong with a history: nothing, if every subscription was
// sent the right copies.
func (h *history) judge() (wrong []string) {
	groups := map[string]map[one]int{}
	for _, s := range h.spans {
		wrong = append(wrong, s.judge()...)
		if s.queue == "" {
			continue
		}
		if groups[s.queue] == nil {
			groups[s.queue] = map[one]int{}
		}
		for _, c := range s.copies {
			groups[s.queue][c]++
		}
	}
	for queue, times := range groups {
		for p := range publishers {
			for n := range h.messages {
				switch k := times[one{p, n}]; {
				case k == 0:
					wrong = append(wrong, fmt.Sprintf("group %s: lost: message %d of %d", queue, n, p))
				case k > 1:
					wrong = append(wrong, fmt.Sprintf("group %s: duplicate: message %d of %d, %d times", queue, n, p, k))
				}
			}
		}
	}
	return wrong
}

// judge returns what is wrong with the copies of one subscription.
func (s *span) judge() (wrong []string) {
	say := func(what string, p, n int) {
		wrong = append(wrong, fmt.Sprintf("%s: %s: message %d of %d", s.name, what, n, p))
	}
	// More than max can come before the broker has read the UNSUB: it is over
	// then, and the PONG follows.
	over := s.max > 0 && len(s.copies) > s.max
	for p, got := range s.byPublisher() {
		seen := map[int]bool{}
		last := -1
		for _, n := range got {
			switch {
			case n < s.may.from[p] || n >= s.may.to[p] || !covers(s.pattern, subjectOf(p, n)),
				over && n >= s.must.from[p]:
				say("phantom", p, n)
			case seen[n]:
				say("duplicate", p, n)
			case n < last:
				say("order", p, n)
			}
			seen[n] = true
			last = max(last, n)
		}
		if s.queue != "" {
			continue // what went to others is the group's affair
		}
		// In between everything has to be there; at the ends, what had to come.
		from, to := s.must.from[p], s.must.to[p]
		full := s.max > 0 && len(s.copies) >= s.max
		if full {
			to = 0 // the others' messages may have used it up
		}
		if len(got) > 0 {
			from = max(min(from, slices.Min(got)), s.may.from[p])
			to = min(max(to, slices.Max(got)), s.may.to[p])
		}
		for n := from; n < to; n++ {
			if !seen[n] && covers(s.pattern, subjectOf(p, n)) {
				say("lost", p, n)
			}
		}
	}
	return wrong
}

// byPublisher returns each publisher's numbers as they arrived.
func (s *span) byPublisher() (got [publishers][]int) {
	for _, c := range s.copies {
		got[c.p] = append(got[c.p], c.n)
	}
	return got
}

// covers reports whether a pattern matches a subject, token by token.
func covers(pattern, subject string) bool {
	want, have := strings.Split(pattern, "."), strings.Split(subject, ".")
	for k, w := range want {
		switch {
		case k >= len(have):
			return false
		case w == ">":
			return true
		case w != "*" && w != have[k]:
			return false
		}
	}
	return len(want) == len(have)
}
