package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// processTime reads the process's own clock, to the nanosecond. Its id is made
// of the process's as clock_getcpuclockid(3) does.
func processTime(pid int) (time.Duration, bool) {
	const scheduled = 2 // CPUCLOCK_SCHED: the time that it ran
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|scheduled, &t); err != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}
