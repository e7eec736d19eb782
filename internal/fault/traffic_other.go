//go:build !linux

package fault

// Traffic is not available on this platform.
func (*Host) Traffic() (frames, bytes uint64, err error) { return 0, 0, errPlatform }
