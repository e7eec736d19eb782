package main

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func all(t *testing.T, next func() ([]byte, error)) []string {
	t.Helper()
	var got []string
	for {
		data, err := next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(data))
	}
}

func TestRepeat(t *testing.T) {
	if got := strings.Join(all(t, repeat("tick {n} of {n}", 3)), ","); got != "tick 1 of 1,tick 2 of 2,tick 3 of 3" {
		t.Errorf("got %q", got)
	}
	forever := repeat("x", 0)
	for range 1000 {
		if _, err := forever(); err != nil {
			t.Fatalf("count 0 ended: %v", err)
		}
	}
}

func TestLines(t *testing.T) {
	for text, want := range map[string]string{
		"":            "",
		"a\nb\n":      "a|b",
		"a\r\nb":      "a|b",
		"\n\n":        "|",
		"one, no end": "one, no end",
	} {
		if got := strings.Join(all(t, lines(strings.NewReader(text))), "|"); got != want {
			t.Errorf("lines of %q: %q, want %q", text, got, want)
		}
	}
}

func TestWithin(t *testing.T) {
	for text, ok := range map[string]bool{"2s": true, "lesson": true, "500ms": true, "1ms": false, "soon": false, "-1s": false, "": false} {
		f := clientFlags{within: text}
		if _, err := f.heartbeat(); (err == nil) != ok {
			t.Errorf("--within %q: %v", text, err)
		}
	}
}
