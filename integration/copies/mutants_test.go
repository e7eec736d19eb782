package copies_test

import (
	"slices"
	"strings"
	"testing"
)

// kinds are the kinds of subscriptions that a run has.
var kinds = map[string]func(s *span) bool{
	"stable":          func(s *span) bool { return s.queue == "" && !restless(s) },
	"restless":        func(s *span) bool { return s.queue == "" && restless(s) && s.max == 0 },
	"limited":         func(s *span) bool { return s.queue == "" && restless(s) && s.max > 0 },
	"stable member":   func(s *span) bool { return s.queue != "" && !restless(s) },
	"restless member": func(s *span) bool { return s.queue != "" && restless(s) },
}

func restless(s *span) bool { return strings.HasPrefix(s.name, "restless") }

// mutants forge the copy at k; at follow it is the publisher's next one in the
// same subscription. Each has the words of which one has to convict it: a copy
// too many is a phantom where the subscription is limited.
var mutants = map[string]struct {
	forge func(copies []one, k, follow int) []one
	words []string
}{
	"drop":      {func(c []one, k, _ int) []one { return slices.Delete(c, k, k+1) }, []string{"lost"}},
	"duplicate": {func(c []one, k, _ int) []one { return slices.Insert(c, k, c[k]) }, []string{"duplicate", "phantom"}},
	"late twin": {func(c []one, k, _ int) []one { return append(c, c[k]) }, []string{"duplicate", "phantom"}},
	"swap":      {func(c []one, k, follow int) []one { c[k], c[follow] = c[follow], c[k]; return c }, []string{"order"}},
	"phantom":   {func(c []one, k, _ int) []one { return slices.Insert(c, k, one{c[k].p, 1 << 30}) }, []string{"phantom"}},
	"stranger": {func(c []one, k, _ int) []one {
		c[k].p = (c[k].p + 1) % publishers
		return c
	}, []string{"phantom", "duplicate", "order", "lost"}},
}

// One forged copy among all of a run is found, whatever subscription has it.
func TestMutants(t *testing.T) {
	h := record(t, brokers["vigil"](t), 1500, 1)
	if wrong := h.judge(); len(wrong) > 0 {
		t.Fatalf("the history is wrong to begin with: %s", wrong[0])
	}
	for kind, is := range kinds {
		s, k, follow := eligible(h, is)
		if s == nil {
			t.Errorf("no %s subscription has three messages of a publisher: the run was too tame", kind)
			continue
		}
		for name, m := range mutants {
			forged := *s
			forged.copies = m.forge(slices.Clone(s.copies), k, follow)
			spans := slices.Clone(h.spans)
			spans[slices.Index(spans, s)] = &forged
			wrong := strings.Join((&history{h.messages, spans}).judge(), "\n")
			if !slices.ContainsFunc(m.words, func(w string) bool { return strings.Contains(wrong, ": "+w) }) {
				t.Errorf("%s in a %s subscription is not convicted (%q)", name, kind, wrong)
			}
		}
	}
}

// eligible returns a subscription of a kind, the place of a copy that is neither
// its publisher's first nor last there, and that of the publisher's next.
func eligible(h *history, is func(*span) bool) (s *span, k, follow int) {
	for _, s := range h.spans {
		if !is(s) {
			continue
		}
		var places [publishers][]int
		for at, c := range s.copies {
			places[c.p] = append(places[c.p], at)
			if got := places[c.p]; len(got) == 3 {
				return s, got[1], got[2]
			}
		}
	}
	return nil, 0, 0
}
