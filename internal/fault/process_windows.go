package fault

import (
	"errors"
	"os"
	"syscall"
)

// childAttributes puts a child in a process group of its own.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// errWindows is the reason why a signal cannot be sent.
var errWindows = errors.New("Windows has no such signal")

func terminate(*os.Process) error { return &UnsupportedError{"terminating a process", errWindows} }

func freeze(*os.Process) error { return &UnsupportedError{"freezing a process", errWindows} }

func thaw(*os.Process) error { return &UnsupportedError{"thawing a process", errWindows} }
