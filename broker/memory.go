package broker

import (
	"bytes"
	"os"
	"path"
	"strconv"
)

// assumedMemory is the machine's memory, in bytes, where the system does not
// say.
const assumedMemory = 4 << 30

// machineMemory returns how much memory the process may use, in bytes: the
// machine's, or the control group's limit if that is lower. Where neither can be
// read it is assumedMemory.
func machineMemory() int64 {
	memory := int64(assumedMemory)
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if total := memTotal(text); total > 0 {
			memory = total
		}
	}
	group, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return memory
	}
	for _, file := range cgroupLimits(group) {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
		if err == nil && limit > 0 { // "max" is no number
			memory = min(memory, limit)
		}
	}
	return memory
}

// memTotal finds the machine's memory in the text of /proc/meminfo; 0 if it is
// not there.
func memTotal(meminfo []byte) int64 {
	for line := range bytes.Lines(meminfo) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == "MemTotal:" && string(fields[2]) == "kB" {
			if kb, err := strconv.ParseInt(string(fields[1]), 10, 53); err == nil {
				return kb << 10
			}
		}
	}
	return 0
}

// cgroupLimits returns the files that may limit the memory of a process whose
// /proc/self/cgroup is given: those of its group and of every group above it, of
// both versions of control groups. A container sees its own group as the root.
func cgroupLimits(cgroup []byte) []string {
	var files []string
	for line := range bytes.Lines(cgroup) {
		// 0::/path, or N:memory:/path for version 1
		fields := bytes.SplitN(bytes.TrimSpace(line), []byte(":"), 3)
		if len(fields) != 3 {
			continue
		}
		root, name := "/sys/fs/cgroup", "memory.max"
		switch {
		case string(fields[0]) == "0" && len(fields[1]) == 0:
		case bytes.Contains(fields[1], []byte("memory")):
			root, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for dir := path.Clean("/" + string(fields[2])); ; dir = path.Dir(dir) {
			files = append(files, path.Join(root, dir, name))
			if dir == "/" {
				break
			}
		}
	}
	return files
}
