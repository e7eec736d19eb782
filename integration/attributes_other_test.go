//go:build !linux

package integration_test

import (
	"os"
	"syscall"
)

// attributes has nothing to ask for elsewhere.
func attributes() *syscall.SysProcAttr { return nil }

// stopSignal is not known everywhere.
var stopSignal os.Signal
