package integration_test

import (
	"os"
	"strconv"
	"strings"
)

// descriptors counts this process's open descriptors by what they refer to. It
// is empty where there is no /proc. Those of Go's own poller, opened once and
// for all, are left out; sockets and pipes are one kind each, since their
// numbers never come again.
func descriptors() map[string]int {
	open := make(map[string]int)
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return open
	}
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		switch {
		case err != nil: // the directory itself
		case strings.HasPrefix(target, "anon_inode:[eventpoll]"), strings.HasPrefix(target, "anon_inode:[eventfd]"):
		default:
			kind, _, _ := strings.Cut(target, ":[")
			if kind == "anon_inode" {
				kind = target
			}
			open[kind]++
		}
	}
	return open
}

// grown returns what there is more of in after.
func grown(before, after map[string]int) map[string]int {
	more := make(map[string]int)
	for kind, n := range after {
		if n > before[kind] {
			more[kind] = n - before[kind]
		}
	}
	return more
}

// process is a line of the process table.
type process struct {
	pid, parent int
	started     string // in ticks since boot; a pid comes again, this with it does not
	zombie      bool   // ended, and nobody has asked how
}

// processes lists the process table: nothing where there is no /proc.
func processes() []process {
	var list []process
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		// After the name in parentheses: state, parent, ..., field 22 started.
		rest := string(stat[strings.LastIndexByte(string(stat), ')')+1:])
		fields := strings.Fields(rest)
		if len(fields) < 20 {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		list = append(list, process{pid, parent, fields[19], fields[0] == "Z"})
	}
	return list
}

// children returns the children of pid, also those not reaped.
func children(pid int) []process {
	var list []process
	for _, p := range processes() {
		if p.parent == pid {
			list = append(list, p)
		}
	}
	return list
}

// descendants returns the children of pid, theirs, and so on.
func descendants(pid int) []process {
	all := processes()
	var list []process
	known := map[int]bool{pid: true}
	for grew := true; grew; {
		grew = false
		for _, p := range all {
			if known[p.parent] && !known[p.pid] {
				known[p.pid], grew = true, true
				list = append(list, p)
			}
		}
	}
	return list
}

// alive returns those of the list that still run.
func alive(list []process) []process {
	var left []process
	for _, now := range processes() {
		for _, p := range list {
			if p.pid == now.pid && p.started == now.started && !now.zombie {
				left = append(left, now)
			}
		}
	}
	return left
}
