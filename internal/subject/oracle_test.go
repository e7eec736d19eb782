package subject

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// naiveValid is the grammar said in the plainest way.
func naiveValid(s string, pattern bool) bool {
	tokens := strings.Split(s, ".")
	for i, token := range tokens {
		switch {
		case token == "" || strings.ContainsAny(token, " \t\r\n"):
			return false
		case (token == "*" || token == ">") && !pattern:
			return false
		case token == ">" && i != len(tokens)-1:
			return false
		}
	}
	return true
}

// naiveMatch is Match said in the plainest way.
func naiveMatch(pattern, subject string) bool {
	want, have := strings.Split(pattern, "."), strings.Split(subject, ".")
	if slices.Contains(want, "") || slices.Contains(have, "") {
		return false
	}
	if i := slices.Index(want, ">"); i >= 0 && i != len(want)-1 {
		return false
	}
	return naiveMatchTokens(want, have)
}

func naiveMatchTokens(want, have []string) bool {
	switch {
	case len(want) == 0 || len(have) == 0:
		return len(want) == len(have)
	case want[0] == ">":
		return true
	case want[0] == "*" || want[0] == have[0]:
		return naiveMatchTokens(want[1:], have[1:])
	}
	return false
}

func compare(t *testing.T, pattern, subject string) {
	t.Helper()
	if got, want := Match(pattern, subject), naiveMatch(pattern, subject); got != want {
		t.Errorf("Match(%q, %q) = %v, want %v", pattern, subject, got, want)
	}
	for _, s := range []string{pattern, subject} {
		if got, want := ValidPublish(s), naiveValid(s, false); got != want || (Check(s) == nil) != want {
			t.Errorf("ValidPublish(%q) = %v, Check: %v, want %v", s, got, Check(s), want)
		}
		if got, want := ValidSubscribe(s), naiveValid(s, true); got != want || (CheckPattern(s) == nil) != want {
			t.Errorf("ValidSubscribe(%q) = %v, CheckPattern: %v, want %v", s, got, CheckPattern(s), want)
		}
		tokens := strings.Split(s, ".")
		if got, want := HasWildcard(s), slices.Contains(tokens, "*") || slices.Contains(tokens, ">"); got != want {
			t.Errorf("HasWildcard(%q) = %v, want %v", s, got, want)
		}
	}
}

// TestAgainstOracle compares over an alphabet so small that matches, empty
// tokens and misplaced wildcards are all common.
func TestAgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		b := make([]byte, r.IntN(8))
		for i := range b {
			b[i] = "aab...**> "[r.IntN(10)]
		}
		return string(b)
	}
	matches := 0
	for range 30_000 {
		pattern, subject := text(), text()
		compare(t, pattern, subject)
		if Match(pattern, subject) {
			matches++
		}
	}
	if matches < 300 {
		t.Errorf("only %d pairs matched: the test proves too little", matches)
	}
}

// FuzzMatch compares with the oracle over any bytes.
func FuzzMatch(f *testing.F) {
	f.Add("foo.*", "foo.bar")
	f.Add("foo.>", "foo.bar.baz")
	f.Add(">", "foo..bar")
	f.Add("foo.>.bar", "foo.\x00.bar")
	f.Add("a b", "a\t.\r.\n")
	f.Fuzz(compare)
}
