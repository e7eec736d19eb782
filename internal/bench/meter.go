package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// meter reads what a process has used.
type meter struct{ pid int }

// cpu returns the processor time of the process, user and system, of all its
// threads since it began. It is not known on every system.
func (m meter) cpu() (time.Duration, bool) { return processTime(m.pid) }

// peak is the most memory of the process that ever was resident, in KiB, or
// none where the system does not tell.
func (m meter) peak() float64 { return m.status("VmHWM") }

// status returns a figure of /proc/PID/status, in KiB.
func (m meter) status(name string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.pid))
	if err != nil {
		return none
	}
	return statusField(text, name)
}

// statusField finds a figure in the text of /proc/PID/status.
func statusField(text []byte, name string) float64 {
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == name+":" {
			if kib, err := strconv.ParseFloat(string(fields[1]), 64); err == nil {
				return kib
			}
		}
	}
	return none
}
