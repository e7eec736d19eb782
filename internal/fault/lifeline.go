package fault

import (
	"errors"
	"io"
	"os"
)

// lifelineEnv marks a process whose standard input is a lifeline.
const lifelineEnv = "VIGIL_LIFELINE"

// orphanStatus is the exit status of a child that lost its parent.
const orphanStatus = 3

// ExitWithParent is for the child's side of StartProcess: call it first thing
// in a broker's main. It watches the standard input, which StartProcess made a
// pipe that nobody writes to, and exits the process with status 3 as soon as
// the other end is gone, however the parent ended (panic, SIGKILL). On Linux
// the kernel does the same through the parent-death signal, also for a frozen
// child; elsewhere this is the only lifeline.
//
// In a process that StartProcess did not start it does nothing, so a broker
// started by hand with its input closed lives on.
func ExitWithParent() {
	if os.Getenv(lifelineEnv) == "" {
		return
	}
	os.Unsetenv(lifelineEnv) // it is not for the children of this process
	// Owned by the process and lives as long as it does; nobody waits.
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		if err == nil || !errors.Is(err, os.ErrClosed) {
			os.Exit(orphanStatus)
		}
	}()
}
