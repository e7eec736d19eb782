package main

import (
	"errors"
	"strings"
	"testing"

	"vigil/internal/cli"
)

// A wrong command line is told in one line before anything is measured.
func TestDetectorsFlags(t *testing.T) {
	for _, tc := range []struct {
		args string
		want string // part of the error, "" for none
	}{
		{"", ""},
		{"--model stream-1%,jitter --detector default --days 0.5 --kills 1 --seed 7", ""},
		{"--model stream-2%", `unknown model "stream-2%": want datagram-0%, `},
		{"--model=", `unknown model ""`},
		{"--detector defaut", `unknown detector "defaut": want default, `},
		{"--days 0", "days 0: want more than 0, up to 3650"},
		{"--days -1", "days -1"},
		{"--days NaN", "days NaN"},
		{"--days 1e9", "days 1e+09"},
		{"--kills 0", "kills 0: want 1 to 100000"},
		{"--kills 1000000", "kills 1000000"},
	} {
		var f detectorsFlags
		cmd := f.command()
		if err := cmd.ParseFlags(strings.Fields(tc.args)); err != nil {
			t.Fatalf("%s: %v", tc.args, err)
		}
		r, err := f.check(cmd)
		var usage *cli.UsageError
		switch {
		case tc.want == "" && (err != nil || len(r.models) == 0 || len(r.detectors) == 0 || len(r.panels) == 0):
			t.Errorf("%q: %v, %d models, %d detectors", tc.args, err, len(r.models), len(r.detectors))
		case tc.want != "" && (!errors.As(err, &usage) || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%q: error %v, want a usage error with %q", tc.args, err, tc.want)
		}
	}
}
