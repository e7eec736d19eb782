package fault

import "errors"

// isolation is nil once this process is known to be isolated. It is written by
// RunIsolated before main is called.
var isolation error = &UnsupportedError{"network namespaces", errors.New("not started through RunIsolated")}

// RunIsolated runs main in network namespaces that belong to it alone and
// returns the exit status for os.Exit:
//
//	func main() { os.Exit(fault.RunIsolated(run)) }
//	func TestMain(m *testing.M) { os.Exit(fault.RunIsolated(m.Run)) }
//
// On Linux it starts this program again, with the same arguments, environment,
// directory and standard streams, in a fresh network namespace (as root, or in
// a user namespace in which the user is root). There it runs main, with the
// loopback interface up and nothing else. The first process passes signals on
// and waits; its status is that of the second, or 128+n when signal n ended
// that one. Everything before RunIsolated therefore runs twice: call it first,
// and only once.
//
// Where the kernel allows neither, and on other systems, main runs here and
// Isolation says why. Nothing is left behind in any case: the namespaces have
// no names, only the processes and their descriptors hold them.
//
// A SIGINT, SIGQUIT or SIGHUP that arrives while this process is in the
// terminal's foreground group is not passed on, because the terminal sends it
// to the whole group; in all other cases it is, and SIGTERM always is.
//
// A descendant of an isolated process that calls RunIsolated in the same
// namespace just runs main there; beside an ancestor that holds a Switch it
// cannot make one of its own.
func RunIsolated(main func() int) int { return runIsolated(main) }

// Isolation returns nil if this process runs in network namespaces of its own,
// otherwise the reason why not, an *UnsupportedError.
func Isolation() error { return isolation }
