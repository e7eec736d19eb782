package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"vigil/internal/subject"
	"vigil/internal/wire"
)

// naiveRouter is the router said in the plainest way: a list.
type naiveRouter []*subscription

// subscriptionTo is nobody's.
func subscriptionTo(pattern, queue string) *subscription {
	return newSubscription(nil, &wire.Op{Subject: []byte(pattern), Queue: []byte(queue)})
}

func (n naiveRouter) match(published string) (plain []*subscription, groups map[string][]*subscription) {
	groups = make(map[string][]*subscription)
	for _, s := range n {
		switch {
		case !subject.Match(s.subject(), published):
		case s.queue() == "":
			plain = append(plain, s)
		default:
			groups[s.queue()] = append(groups[s.queue()], s)
		}
	}
	return plain, groups
}

// sorted orders subscriptions, so that two sets of them can be compared.
func sorted(subs []*subscription) []string {
	var list []string
	for _, s := range subs {
		list = append(list, fmt.Sprintf("%p", s))
	}
	slices.Sort(list)
	return list
}

func compareMatch(t *testing.T, r *router, n naiveRouter, published string) (found int) {
	t.Helper()
	var got match
	r.match([]byte(published), &got)
	plain, groups := n.match(published)
	if !slices.Equal(sorted(got.plain), sorted(plain)) {
		t.Fatalf("%q: %d plain subscriptions, want %d", published, len(got.plain), len(plain))
	}
	if len(got.groups) != len(groups) {
		t.Fatalf("%q: %d queue groups, want %d", published, len(got.groups), len(groups))
	}
	for _, g := range got.groups {
		if !slices.Equal(sorted(g.members), sorted(groups[g.name])) {
			t.Fatalf("%q: queue %s has %d members, want %d", published, g.name, len(g.members), len(groups[g.name]))
		}
	}
	return len(plain) + len(groups)
}

// TestRouterAgainstOracle inserts, removes and matches at random, over an
// alphabet so small that everything collides.
func TestRouterAgainstOracle(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		var tree router
		var list naiveRouter
		found := 0
		for range 2000 {
			switch roll := r.IntN(10); {
			case roll < 4:
				s := subscriptionTo(randomPattern(r), []string{"", "", "q", "r"}[r.IntN(4)])
				if !subject.ValidSubscribe(s.subject()) {
					continue
				}
				tree.insert(s)
				list = append(list, s)
			case roll < 7 && len(list) > 0:
				i := r.IntN(len(list))
				s := list[i]
				list = slices.Delete(list, i, i+1)
				tree.remove(s)
				tree.remove(s) // of what is not there, nothing
			default:
				found += compareMatch(t, &tree, list, randomPattern(r))
			}
			if tree.count != len(list) {
				t.Fatalf("seed %d: count %d, want %d", seed, tree.count, len(list))
			}
			if n := needless(&tree.root, true); n > 0 {
				t.Fatalf("seed %d: %d nodes have nothing to tell apart", seed, n)
			}
		}
		if found < 50 {
			t.Errorf("seed %d: only %d matches: the test proves too little", seed, found)
		}
		for _, s := range list {
			tree.remove(s)
		}
		if tree.count != 0 || !tree.root.empty() || tree.literal.len() != 0 {
			t.Fatalf("seed %d: the empty router holds %+v", seed, tree)
		}
	}
}

// needless counts the nodes from n on that fewer than two patterns go through, of
// which the root may be one.
func needless(n *node, root bool) (count int) {
	things := n.children.len()
	for _, there := range []bool{n.here != nil, n.tail != nil, n.any != branch{}} {
		if there {
			things++
		}
	}
	if n.any.node != nil {
		count += needless(n.any.node, false)
	}
	chain := n.any.node
	for b := range n.children.values() {
		if b.node != nil {
			chain = b.node
			count += needless(b.node, false)
		}
	}
	if !root && things < 2 && chain == nil {
		count++
	}
	return count
}

// randomPattern returns tokens of a few letters and wildcards, some empty.
func randomPattern(r *rand.Rand) string {
	tokens := make([]string, 1+r.IntN(4))
	for i := range tokens {
		tokens[i] = []string{"a", "b", "c", "a", "*", ">", "a*", ""}[r.IntN(8)]
	}
	return strings.Join(tokens, ".")
}

// FuzzRouter reads its input as a program: a line is a pattern, or with a
// leading + a queue member, with a leading - removes the oldest.
func FuzzRouter(f *testing.F) {
	f.Add("a.b\n+a.*\n>\n-\na.>", "a.b")
	f.Add("a\n*\n>\n+>\n+a\n-\n-\n-", "a")
	f.Fuzz(func(t *testing.T, program, published string) {
		var tree router
		var list naiveRouter
		for line := range strings.SplitSeq(program, "\n") {
			if line == "-" && len(list) > 0 {
				tree.remove(list[0])
				list = list[1:]
				continue
			}
			pattern, member := strings.CutPrefix(line, "+")
			queue := ""
			if member {
				queue = "q"
			}
			if s := subscriptionTo(pattern, queue); subject.ValidSubscribe(pattern) {
				tree.insert(s)
				list = append(list, s)
			}
		}
		compareMatch(t, &tree, list, published)
	})
}

// benchRouter has 10,000 subscriptions, a tenth of them with wildcards.
func benchRouter() *router {
	var r router
	for i := range 10_000 {
		pattern := fmt.Sprintf("orders.%d.eu.%d", i%100, i)
		if i%10 == 0 {
			pattern = fmt.Sprintf("orders.*.eu.%d.>", i)
		}
		r.insert(subscriptionTo(pattern, ""))
	}
	return &r
}

// BenchmarkRouterMatch bounds what a subject costs that is not cached.
func BenchmarkRouterMatch(b *testing.B) {
	r := benchRouter()
	published := []byte("orders.17.eu.4217")
	var m match
	b.ReportAllocs()
	for b.Loop() {
		m.reset()
		r.match(published, &m)
	}
}

// BenchmarkRouterInsertRemove bounds what a SUB and an UNSUB cost under the
// routing table's lock.
func BenchmarkRouterInsertRemove(b *testing.B) {
	r := benchRouter()
	s := subscriptionTo("orders.17.eu.new", "")
	b.ReportAllocs()
	for b.Loop() {
		r.insert(s)
		r.remove(s)
	}
}
