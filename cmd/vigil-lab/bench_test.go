package main

import (
	"errors"
	"strings"
	"testing"

	"vigil/internal/cli"
)

// A wrong command line is told in one line before anything is measured.
func TestBenchFlags(t *testing.T) {
	for _, tc := range []struct {
		args string
		want string // part of the error, "" for none
	}{
		{"", ""},
		{"--quick", ""},
		{"--quick --scenario 1-to-100", ""},
		{"--scenario 1-to-100,idle --rounds 7", ""},
		{"--scenario 1-to-100,1-to-99", `unknown scenario "1-to-99": want 1-to-1-16B, `},
		{"--scenario=", `unknown scenario ""`},
		{"--rounds 0", "rounds 0: want 1 to 100"},
		{"--rounds -1", "rounds -1"},
		{"--rounds 101", "rounds 101"},
		{"--connections 0", "connections 0: want 1 to"},
		{"--subscriptions -5", "subscriptions -5: want 1 to"},
		{"--connections 1000 --subscriptions 10", ""},
		{"--quick --rounds 3", "leave out --quick or --rounds"},
	} {
		var f benchFlags
		cmd := f.command()
		if err := cmd.ParseFlags(strings.Fields(tc.args)); err != nil {
			t.Fatalf("%s: %v", tc.args, err)
		}
		b, err := f.check(cmd)
		var usage *cli.UsageError
		switch {
		case tc.want == "" && (err != nil || len(b.Scenarios) == 0 || len(b.Contenders) != 11):
			t.Errorf("%q: %v, %d scenarios, %d contenders", tc.args, err, len(b.Scenarios), len(b.Contenders))
		case tc.want != "" && (!errors.As(err, &usage) || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%q: error %v, want a usage error with %q", tc.args, err, tc.want)
		}
	}
}
