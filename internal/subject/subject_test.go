package subject

import (
	"errors"
	"strings"
	"testing"
)

// TestGrammar has a line for every clause of the grammar.
func TestGrammar(t *testing.T) {
	const ok = ""
	tests := []struct {
		subject string
		publish string // the Reason of Check
		pattern string // the Reason of CheckPattern
	}{
		{"foo", ok, ok},
		{"foo.bar.baz", ok, ok},
		{"Foo.BAR", ok, ok},
		{"$SYS.foo", ok, ok},
		{"_INBOX.x-1", ok, ok},
		{strings.Repeat("a.", 5000) + "a", ok, ok},

		// Any byte is legal but the blanks: NUL, DEL, UTF-8 and what is not.
		{"a\x00b", ok, ok},
		{"a\x7fb.\x01", ok, ok},
		{"größe.日本", ok, ok},
		{"\xff\xfe", ok, ok},
		{"a\vb\f", ok, ok},
		{"a\u00a0b", ok, ok},
		{"a b", "contains a space at byte 1", "contains a space at byte 1"},
		{" a", "contains a space at byte 0", "contains a space at byte 0"},
		{"a.b\t", "contains a tab at byte 3", "contains a tab at byte 3"},
		{"a\r", "contains a carriage return at byte 1", "contains a carriage return at byte 1"},
		{"a.\n.b", "contains a line feed at byte 2", "contains a line feed at byte 2"},

		// No token is empty.
		{"", "is empty", "is empty"},
		{".", "has an empty token at byte 0", "has an empty token at byte 0"},
		{".foo", "has an empty token at byte 0", "has an empty token at byte 0"},
		{"foo.", "has an empty token at byte 4", "has an empty token at byte 4"},
		{"foo..bar", "has an empty token at byte 4", "has an empty token at byte 4"},

		// Wildcards are whole tokens, and > is the last one.
		{"*", "has the wildcard * at byte 0, which only a subscription may have", ok},
		{">", "has the wildcard > at byte 0, which only a subscription may have", ok},
		{"foo.*", "has the wildcard * at byte 4, which only a subscription may have", ok},
		{"*.*.bar", "has the wildcard * at byte 0, which only a subscription may have", ok},
		{"foo.*.>", "has the wildcard * at byte 4, which only a subscription may have", ok},
		{"foo.>.bar", "has the wildcard > at byte 4, which only a subscription may have",
			"has the wildcard > at byte 4, which may only be the last token"},
		{">.>", "has the wildcard > at byte 0, which only a subscription may have",
			"has the wildcard > at byte 0, which may only be the last token"},
		{">.", "has the wildcard > at byte 0, which only a subscription may have",
			"has the wildcard > at byte 0, which may only be the last token"},
		{"foo*", ok, ok},
		{"*foo", ok, ok},
		{"foo.*bar", ok, ok},
		{"foo>", ok, ok},
		{">foo.bar", ok, ok},
		{"**", ok, ok},
		{">>.*>", ok, ok},
	}
	for _, tt := range tests {
		wantReason(t, "Check", tt.subject, Check(tt.subject), tt.publish)
		wantReason(t, "CheckPattern", tt.subject, CheckPattern(tt.subject), tt.pattern)
		if got, want := ValidPublish(tt.subject), tt.publish == ok; got != want || ValidPublish([]byte(tt.subject)) != want {
			t.Errorf("ValidPublish(%q) = %v, want %v", tt.subject, got, want)
		}
		if got, want := ValidSubscribe(tt.subject), tt.pattern == ok; got != want || ValidSubscribe([]byte(tt.subject)) != want {
			t.Errorf("ValidSubscribe(%q) = %v, want %v", tt.subject, got, want)
		}
		if want := strings.Contains(tt.publish, "wildcard"); HasWildcard(tt.subject) != want {
			t.Errorf("HasWildcard(%q) = %v, want %v", tt.subject, !want, want)
		}
	}
}

func wantReason(t *testing.T, name, subject string, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("%s(%q) = %v", name, subject, err)
		}
		return
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Reason != want || e.Subject != subject {
		t.Errorf("%s(%q) = %v, want the reason %q", name, subject, err, want)
	}
}

func TestErrorIsASentence(t *testing.T) {
	if got, want := Check("a b").Error(), `subject "a b": contains a space at byte 1`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern  string
		matches  []string
		excludes []string
	}{
		{"foo", []string{"foo"}, []string{"", "fo", "fooo", "Foo", "foo.bar", "*", ">"}},
		{"foo.bar", []string{"foo.bar"}, []string{"foo", "bar", "foo.baz", "foo.bar.baz", "foo.*", "foo.>"}},

		// * is exactly one token.
		{"*", []string{"foo", "*", ">"}, []string{"", "foo.bar", ".", "foo."}},
		{"foo.*", []string{"foo.bar", "foo.*", "foo.>"}, []string{"foo", "foo.", "foo.bar.baz", "bar.foo"}},
		{"*.bar", []string{"foo.bar", "*.bar"}, []string{"bar", ".bar", "foo.baz"}},
		{"foo.*.baz", []string{"foo.bar.baz"}, []string{"foo.baz", "foo..baz", "foo.a.b.baz"}},

		// > is one or more tokens.
		{">", []string{"foo", "foo.bar", "foo.bar.baz", "$SYS.foo", ">", "*.>"}, []string{"", ".", ".foo", "foo.", "foo..bar"}},
		{"foo.>", []string{"foo.bar", "foo.bar.baz", "foo.*", "foo.>"}, []string{"foo", "foo.", "foo..bar", "foo.bar.", "bar.foo"}},
		{"*.>", []string{"foo.bar", "a.b.c"}, []string{"foo", ".foo"}},
		{"foo.*.>", []string{"foo.a.b"}, []string{"foo.a", "foo"}},

		// Only whole tokens are wildcards.
		{"foo*", []string{"foo*"}, []string{"foobar", "foo"}},
		{"foo.*bar", []string{"foo.*bar"}, []string{"foo.xbar"}},
		{"foo>", []string{"foo>"}, []string{"foo", "foo.bar"}},

		// What is no pattern matches nothing.
		{"", nil, []string{"", "foo"}},
		{"foo.", nil, []string{"foo", "foo.", "foo.bar"}},
		{"foo..bar", nil, []string{"foo..bar", "foo.x.bar"}},
		{"foo.>.bar", nil, []string{"foo.x.bar", "foo.>.bar", "foo.x"}},
	}
	for _, tt := range tests {
		for _, subject := range tt.matches {
			if !Match(tt.pattern, subject) || !Match(tt.pattern, []byte(subject)) {
				t.Errorf("Match(%q, %q) = false", tt.pattern, subject)
			}
		}
		for _, subject := range tt.excludes {
			if Match(tt.pattern, subject) || Match([]byte(tt.pattern), subject) {
				t.Errorf("Match(%q, %q) = true", tt.pattern, subject)
			}
		}
	}
}

func TestCut(t *testing.T) {
	for _, s := range []string{"", ".", "a", "a.", ".a", "a.b", "a..b", "foo.bar.baz"} {
		var got []string
		for rest, more := s, true; more; {
			var token string
			token, rest, more = Cut(rest)
			got = append(got, token)
		}
		if want := strings.Split(s, "."); strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) {
			t.Errorf("Cut gives the tokens %q of %q, want %q", got, s, want)
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	pattern, subject := []byte("orders.*.eu.>"), []byte("orders.created.eu.shop.42")
	name := string(subject)
	if n := testing.AllocsPerRun(1000, func() {
		ok := ValidPublish(subject) && ValidSubscribe(pattern) && HasWildcard(pattern) &&
			Match(pattern, subject) && Match(pattern, name) && Check(name) == nil && CheckPattern(name) == nil
		if !ok {
			t.Fatal("no match")
		}
	}); n != 0 {
		t.Errorf("allocates %v times", n)
	}
}
