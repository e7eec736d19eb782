//go:build !linux

package fault

import (
	"errors"
	"runtime"
)

// starve tells that there are no control groups.
func starve(_ *Process, _ float64, _ <-chan struct{}, started chan<- error) error {
	started <- &UnsupportedError{"starving a process", errors.New(runtime.GOOS + " has no control groups")}
	return nil
}
