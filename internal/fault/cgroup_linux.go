package fault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// cpuPeriod is the time for which a share of a processor is granted, in
	// microseconds: the kernel's default.
	cpuPeriod = 100_000
	// groupProcs is the file that lists, and takes, a group's processes.
	groupProcs = "cgroup.procs"
	// groupPrefix begins the names of our groups; the process id of their maker
	// and a number follow.
	groupPrefix = "vigil-"
	// throttlePeriods is in how many periods a group has to have used up its
	// share until nothing is left of what it came with. throttleTimeout bounds
	// the wait for them: on a machine that is busy with others a group may not
	// get as much as its share. throttlePoll is how often the wait looks.
	throttlePeriods = 3
	throttleTimeout = time.Second
	throttlePoll    = time.Millisecond
)

// groups counts the groups made by this process.
var groups atomic.Uint64

// cpuTree is the hierarchy of control groups that has the cpu controller.
type cpuTree struct {
	dir     string // where it is mounted
	unified bool   // version 2
}

// group is a control group, made to limit processor time.
type group struct {
	tree cpuTree
	dir  string
	home string // the group from which the process that was added last came
}

// findCPUTree finds the hierarchy.
func findCPUTree() (cpuTree, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return cpuTree{}, err
	}
	return cpuTreeIn(string(text))
}

// cpuTreeIn finds the hierarchy in the text of a mountinfo file.
func cpuTreeIn(mountinfo string) (cpuTree, error) {
	for line := range strings.Lines(mountinfo) {
		// proc(5): "... mount-point options optional... - type source options".
		before, after, ok := strings.Cut(line, " - ")
		mount, system := strings.Fields(before), strings.Fields(after)
		if !ok || len(mount) < 5 || len(system) < 3 {
			continue
		}
		dir := mount[4]
		switch system[0] {
		case "cgroup":
			if slices.Contains(strings.Split(system[2], ","), "cpu") {
				return cpuTree{dir: dir}, nil
			}
		case "cgroup2":
			granted, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
			if err == nil && slices.Contains(strings.Fields(string(granted)), "cpu") {
				return cpuTree{dir: dir, unified: true}, nil
			}
		}
	}
	return cpuTree{}, errors.New("no control groups for the cpu are mounted, or none may have it")
}

// newGroup makes a group whose processes get share of one processor between
// them. Empty groups of makers that are gone are taken away first.
func (t cpuTree) newGroup(share float64) (*group, error) {
	t.sweep()
	name := fmt.Sprintf("%s%d-%d", groupPrefix, os.Getpid(), groups.Add(1))
	g := &group{tree: t, dir: filepath.Join(t.dir, name)}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, err
	}
	quota := strconv.Itoa(int(share * cpuPeriod))
	limits := [][2]string{{"cpu.cfs_period_us", strconv.Itoa(cpuPeriod)}, {"cpu.cfs_quota_us", quota}}
	if t.unified {
		limits = [][2]string{{"cpu.max", quota + " " + strconv.Itoa(cpuPeriod)}}
	}
	for _, l := range limits {
		if err := os.WriteFile(filepath.Join(g.dir, l[0]), []byte(l[1]), 0o644); err != nil {
			return nil, errors.Join(err, os.Remove(g.dir))
		}
	}
	return g, nil
}

// sweep takes away what processes that were killed have left: a group in which
// somebody still is stays, for the kernel refuses.
func (t cpuTree) sweep() {
	dirs, _ := filepath.Glob(filepath.Join(t.dir, groupPrefix+"*"))
	for _, dir := range dirs {
		id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), groupPrefix), "-")
		pid, err := strconv.Atoi(id)
		if err == nil && pid > 0 && unix.Kill(pid, 0) == unix.ESRCH {
			_ = os.Remove(dir)
		}
	}
}

// home returns the group in which a process is.
func (t cpuTree) home(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", err
	}
	home, ok := t.homeIn(string(text))
	if !ok {
		return "", fmt.Errorf("process %d is in no control group", pid)
	}
	return home, nil
}

// homeIn finds the group in the text of a process's cgroup file.
func (t cpuTree) homeIn(cgroups string) (home string, ok bool) {
	for line := range strings.Lines(cgroups) {
		// cgroups(7): "number:controllers:path", in version 2 "0::path".
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		controllers := strings.Split(fields[1], ",")
		if t.unified && fields[0] == "0" || !t.unified && slices.Contains(controllers, "cpu") {
			return filepath.Join(t.dir, fields[2]), true
		}
	}
	return "", false
}

// add moves a process into the group.
func (g *group) add(pid int) error {
	home, err := g.tree.home(pid)
	if err != nil {
		return err
	}
	g.home = home
	return moveTo(g.dir, pid)
}

// waitThrottled waits until the group has used up its share of some periods, or
// for throttleTimeout.
func (g *group) waitThrottled() error {
	for deadline := time.Now().Add(throttleTimeout); time.Now().Before(deadline); time.Sleep(throttlePoll) {
		text, err := os.ReadFile(filepath.Join(g.dir, "cpu.stat"))
		if err != nil {
			return err
		}
		if times(string(text), "nr_throttled") >= throttlePeriods {
			return nil
		}
	}
	return nil
}

// times returns the number behind a name in a file of lines "name number", or 0.
func times(text, name string) int {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == name {
			n, _ := strconv.Atoi(fields[1])
			return n
		}
	}
	return 0
}

// remove moves the processes that are left home, and takes the group away.
func (g *group) remove() error {
	left, err := os.ReadFile(filepath.Join(g.dir, groupProcs))
	errs := []error{err}
	for _, field := range strings.Fields(string(left)) {
		pid, err := strconv.Atoi(field)
		if err == nil {
			err = moveTo(g.home, pid)
		}
		if !errors.Is(err, unix.ESRCH) { // else it has ended
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, os.Remove(g.dir))...)
}

// moveTo moves a process into the group at dir.
func moveTo(dir string, pid int) error {
	return os.WriteFile(filepath.Join(dir, groupProcs), []byte(strconv.Itoa(pid)), 0o644)
}
