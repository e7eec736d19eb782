// Package cli is what Vigil's programs have in common at their edge: exit
// statuses, the words for a wrong command line, when to use colour, a line of
// progress, and the manual page.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit statuses.
const (
	OK           = 0
	Failed       = 1
	Usage        = 2
	Timeout      = 3 // what was waited for did not come in time
	NoResponders = 4 // nobody is there to answer a request
	Interrupted  = 130
)

// StatusError is an error with an exit status of its own.
type StatusError struct {
	Status int
	Err    error // nil says nothing
}

// Error returns what Err says.
func (e *StatusError) Error() string {
	if e.Err == nil {
		return "status " + strconv.Itoa(e.Status)
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *StatusError) Unwrap() error { return e.Err }

// UsageError is a command line that cannot be obeyed.
type UsageError struct{ Err error }

// Error returns what is wrong.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{fmt.Errorf(format, args...)}
}

// usageStatus is the annotation of a command whose wrong command lines have
// another status than Usage.
const usageStatus = "vigil usage status"

// SetUsageStatus sets the status of a wrong command line of cmd, for those whose
// reader takes Usage for something else.
func SetUsageStatus(cmd *cobra.Command, status int) {
	cmd.Annotations = map[string]string{usageStatus: strconv.Itoa(status)}
}

func usageStatusOf(cmd *cobra.Command) int {
	if status, err := strconv.Atoi(cmd.Annotations[usageStatus]); err == nil {
		return status
	}
	return Usage
}

// Run runs a command line to its end and returns the exit status. An error is
// told on standard error in one line. SIGINT and SIGTERM end the command's
// context; a second one ends the process. A context that ended by its deadline
// is a Timeout.
func Run(root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root.SilenceErrors, root.SilenceUsage = true, true
	began := false
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return OK
	}
	var usage *UsageError
	var status *StatusError
	if errors.As(err, &status) && status.Err == nil {
		return status.Status
	}
	// Joined errors have a line each.
	told := strings.ReplaceAll(err.Error(), "\n", "; ")
	switch {
	case !began || errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "%s: %s (see '%s --help')\n", root.Name(), told, cmd.CommandPath())
		return usageStatusOf(cmd)
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintf(os.Stderr, "%s: interrupted\n", root.Name())
		return Interrupted
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", root.Name(), told)
	switch {
	case status != nil:
		return status.Status
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	return Failed
}

// Terminal reports whether f is a terminal.
func Terminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Width returns how many characters wide the terminal f is, 0 if f is none.
func Width(f *os.File) int {
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// Colour reports whether what is written to f may be coloured: on a terminal,
// unless NO_COLOR is set (https://no-color.org).
func Colour(f *os.File) bool { return os.Getenv("NO_COLOR") == "" && Terminal(f) }
