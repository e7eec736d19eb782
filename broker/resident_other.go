//go:build !linux

package broker

import "runtime"

// residentMemory returns the memory that the runtime has asked the system for,
// in bytes, which is more than what is resident.
func residentMemory() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}
