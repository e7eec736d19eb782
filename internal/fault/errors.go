package fault

import (
	"errors"
	"fmt"
)

// UnsupportedError says that this machine, kernel or platform cannot do what
// was asked, and why: there is nothing to repair, the caller picks another way
// (the proxy instead of namespaces) or skips. It matches errors.ErrUnsupported
// under errors.Is.
type UnsupportedError struct {
	// What could not be done, as a noun: "network namespaces", "freezing".
	What string
	// Reason is the kernel's refusal or the platform's name; never nil.
	Reason error
}

// Error implements error.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("fault: %s not supported here: %v", e.What, e.Reason)
}

// Unwrap returns the reason.
func (e *UnsupportedError) Unwrap() error { return e.Reason }

// Is reports whether target is errors.ErrUnsupported.
func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

// ErrClosed is returned by the methods of a Switch, Host, Proxy or Site that
// has been closed.
var ErrClosed = errors.New("fault: closed")
