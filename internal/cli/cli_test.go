package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// A monitor takes status 2 for something else than a wrong command line.
func TestUsageStatus(t *testing.T) {
	root := &cobra.Command{Use: "prog", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return Usagef("no") }}
	SetUsageStatus(root, 3)
	for _, args := range [][]string{nil, {"--nope"}, {"x"}} {
		root.SetArgs(args)
		if status := Run(root); status != 3 {
			t.Errorf("%v: status %d", args, status)
		}
	}
}

// run runs a command line and returns its status and what it wrote to standard
// error.
func run(t *testing.T, f func(*cobra.Command, []string) error, args ...string) (status int, told string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = w
	defer func() { os.Stderr = stderr }()
	root := &cobra.Command{Use: "prog", Args: cobra.NoArgs, RunE: f}
	root.Flags().Bool("flag", false, "a flag")
	root.SetArgs(args)
	status = Run(root)
	w.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return status, string(text)
}

// A user's script branches on these.
func TestStatus(t *testing.T) {
	for _, tc := range []struct {
		name   string
		err    error
		args   []string
		status int
		told   string
	}{
		{"success says nothing", nil, nil, OK, ""},
		{"a failure is one line", errors.New("no luck"), nil, Failed, "prog: no luck\n"},
		{"so are two", errors.Join(errors.New("no luck"), errors.New("no hope")), nil, Failed, "prog: no luck; no hope\n"},
		{"what cannot be obeyed", Usagef("bad %d", 7), nil, Usage, "prog: bad 7 (see 'prog --help')\n"},
		{"an unknown flag", nil, []string{"--nope"}, Usage, "prog: unknown flag: --nope (see 'prog --help')\n"},
		{"an argument too many", nil, []string{"x"}, Usage, "prog: unknown command \"x\" for \"prog\" (see 'prog --help')\n"},
		{"a status of its own", &StatusError{NoResponders, errors.New("nobody")}, nil, NoResponders, "prog: nobody\n"},
		{"a status that says all", fmt.Errorf("check: %w", &StatusError{Status: 2}), nil, 2, ""},
		{"not in time", fmt.Errorf("wait: %w", context.DeadlineExceeded), nil, Timeout, "prog: wait: context deadline exceeded\n"},
		{"canceled, but not by a signal", context.Canceled, nil, Failed, "prog: context canceled\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, told := run(t, func(*cobra.Command, []string) error { return tc.err }, tc.args...)
			if status != tc.status || told != tc.told {
				t.Errorf("status %d and %q, want %d and %q", status, told, tc.status, tc.told)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	status, told := run(t, func(cmd *cobra.Command, _ []string) error {
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		if err := self.Signal(os.Interrupt); err != nil {
			t.Skip("this system does not deliver the signal: ", err)
		}
		<-cmd.Context().Done()
		return cmd.Context().Err()
	})
	if status != Interrupted || !strings.Contains(told, "interrupted") {
		t.Errorf("status %d and %q, want %d", status, told, Interrupted)
	}
}

func TestNoColourInAFile(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if Terminal(f) || Colour(f) || Width(f) != 0 {
		t.Error("a file is taken for a terminal")
	}
}
