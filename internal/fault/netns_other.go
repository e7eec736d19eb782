//go:build !linux

package fault

import (
	"errors"
	"net/netip"
	"os"
	"runtime"
	"time"
)

// errPlatform is why namespaces are out of reach.
var errPlatform = &UnsupportedError{"network namespaces", errors.New(runtime.GOOS + " has none")}

// Switch joins the clients' host and the brokers' hosts. Network namespaces
// exist on Linux only: here every function and method of Switch and Host
// returns an *UnsupportedError.
type Switch struct{}

// NewSwitch returns an *UnsupportedError.
func NewSwitch() (*Switch, error) { return nil, errPlatform }

// NewHost returns an *UnsupportedError.
func (*Switch) NewHost(int) (*Host, error) { return nil, errPlatform }

// NewHostBehindRouter returns an *UnsupportedError.
func (*Switch) NewHostBehindRouter(int) (*Host, error) { return nil, errPlatform }

// has returns false.
func (*Switch) has(int) bool { return false }

// Close returns nil.
func (*Switch) Close() error { return nil }

// Host is a broker's host; see Switch.
type Host struct{}

// Addr returns the zero address.
func (*Host) Addr() netip.Addr { return netip.Addr{} }

// Switch returns nil.
func (*Host) Switch() *Switch { return nil }

// Router returns nil.
func (*Host) Router() *Router { return nil }

// Drop returns an *UnsupportedError.
func (*Host) Drop(Direction) error { return errPlatform }

// DropFlags returns an *UnsupportedError.
func (*Host) DropFlags(Direction, Flags) error { return errPlatform }

// Impair returns an *UnsupportedError.
func (*Host) Impair(Direction, Impairment) error { return errPlatform }

// Heal returns an *UnsupportedError.
func (*Host) Heal() error { return errPlatform }

// Dropped returns an *UnsupportedError.
func (*Host) Dropped() (uint64, error) { return 0, errPlatform }

// Reset returns an *UnsupportedError.
func (*Host) Reset(func(local, remote netip.AddrPort) bool) (connections int, err error) {
	return 0, errPlatform
}

// Kill does nothing.
func (*Host) Kill() {}

// Reboot returns an *UnsupportedError.
func (*Host) Reboot() error { return errPlatform }

// Close returns nil.
func (*Host) Close() error { return nil }

// Router stands between a host and the switch; see Host.
type Router struct{}

// Evict returns an *UnsupportedError.
func (*Router) Evict() error { return errPlatform }

// EvictIdle returns an *UnsupportedError.
func (*Router) EvictIdle(time.Duration) error { return errPlatform }

// Reject returns an *UnsupportedError.
func (*Router) Reject(Direction) error { return errPlatform }

func selfExecutable() (string, error) { return os.Executable() }

func startIn(host *Host, p *Process) error {
	if host != nil {
		return errPlatform
	}
	return p.cmd.Start()
}

// onThread runs f; a parent-death signal, for which the thread would matter,
// exists on Linux only.
func onThread(f func()) { f() }

func runIsolated(main func() int) int {
	isolation = errPlatform
	return main()
}
