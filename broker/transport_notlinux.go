//go:build unix && !linux

package broker

// limitUnsent is for Linux.
func limitUnsent(int) {}
