//go:build !linux

package fault

// Meet returns an *UnsupportedError.
func (*Host) Meet(*Host) error { return errPlatform }
