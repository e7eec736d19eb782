package fault

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// flood writes until the peer takes no more, and returns how much that was.
func flood(t *testing.T, conn *net.TCPConn) (total int) {
	t.Helper()
	b := make([]byte, 64<<10)
	for {
		conn.SetWriteDeadline(time.Now().Add(silence))
		n, err := conn.Write(b)
		total += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			conn.SetWriteDeadline(time.Time{})
			return total
		}
		do(t, err)
	}
}

// medianEcho is the median time of echoes that are asked for at any moment of
// the kernel's periods of 100 ms.
func medianEcho(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	var took [9]time.Duration
	pace := time.NewTicker(17 * time.Millisecond)
	defer pace.Stop()
	for i := range took {
		<-pace.C
		start := time.Now()
		expectEcho(t, conn, "hello")
		took[i] = time.Since(start)
	}
	slices.Sort(took[:])
	return took[len(took)/2]
}

// starveOrSkip starves p where that is possible.
func starveOrSkip(t *testing.T, p *Process, share float64) *Starvation {
	t.Helper()
	s, err := p.Starve(share)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("SKIP starvation: ", err)
	}
	do(t, err)
	t.Cleanup(func() { do(t, s.End()) })
	return s
}

func TestStarvedProcessIsLate(t *testing.T) {
	p := start(t, play("echo"))
	conn := dial(t, hostOf(p))
	before := medianEcho(t, conn)
	home := groupsOf(t, p.PID())
	s := starveOrSkip(t, p, 0.02)
	during := medianEcho(t, conn)
	if groupsOf(t, p.PID()) == home {
		t.Error("the process is in no group of its own")
	}
	do(t, s.End())
	do(t, s.End())
	after := medianEcho(t, conn)
	t.Logf("median echo %v, starved %v, then %v", before, during, after)
	if during < 10*time.Millisecond || during < 2*before || during < 2*after {
		t.Errorf("median echo %v, starved %v, then %v", before, during, after)
	}
	if now := groupsOf(t, p.PID()); now != home {
		t.Errorf("the process was in %q, and is in %q", home, now)
	}
	expectNoGroups(t)
}

func TestStarvationEndsWithTheProcess(t *testing.T) {
	p := start(t, play("echo"))
	s := starveOrSkip(t, p, 0.1)
	p.Kill()
	waitFor(t, "the end of the starvation", s.done)
	do(t, s.End())
	expectNoGroups(t)
	if _, err := p.Starve(0.5); err == nil {
		t.Error("a dead process was starved")
	}
	for _, share := range []float64{-1, 0, 0.001, 1} {
		if _, err := p.Starve(share); err == nil {
			t.Errorf("share %v was granted", share)
		}
	}
	expectNoGroups(t)
}

// groupsOf tells the control groups of a process.
func groupsOf(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	do(t, err)
	return string(b)
}

// expectNoGroups checks that this process has left no group.
func expectNoGroups(t *testing.T) {
	t.Helper()
	tree, err := findCPUTree()
	do(t, err)
	left, err := filepath.Glob(fmt.Sprintf("%s/%s%d-*", tree.dir, groupPrefix, os.Getpid()))
	do(t, err)
	if left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestSweepSparesTheLiving(t *testing.T) {
	tree := cpuTree{dir: t.TempDir()}
	dead, living := "vigil-2000000000-1", fmt.Sprintf("vigil-%d-7", os.Getpid())
	for _, name := range []string{dead, living, "vigil-x", "other"} {
		do(t, os.Mkdir(filepath.Join(tree.dir, name), 0o755))
	}
	tree.sweep()
	left, err := filepath.Glob(tree.dir + "/*")
	do(t, err)
	if len(left) != 3 || slices.Contains(left, filepath.Join(tree.dir, dead)) {
		t.Errorf("left: %v", left)
	}
}

// Both versions of control groups, as their files are.
func TestCPUTree(t *testing.T) {
	dir := t.TempDir()
	for name, granted := range map[string]string{"full": "cpuset cpu io\n", "bare": "memory\n"} {
		do(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
		do(t, os.WriteFile(filepath.Join(dir, name, "cgroup.subtree_control"), []byte(granted), 0o644))
	}
	for _, c := range []struct {
		name, mountinfo string
		want            cpuTree
	}{
		{"version 1", "36 25 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:15 - cgroup cgroup rw,cpu,cpuacct\n",
			cpuTree{dir: "/sys/fs/cgroup/cpu,cpuacct"}},
		{"version 2", "30 23 0:26 / DIR/full rw - cgroup2 cgroup2 rw\n", cpuTree{dir: dir + "/full", unified: true}},
		{"cpu in version 1 beside version 2",
			"30 23 0:26 / DIR/bare rw - cgroup2 cgroup2 rw\n31 23 0:27 / /c rw - cgroup none rw,cpuset\n32 23 0:28 / /d rw - cgroup none rw,cpu\n",
			cpuTree{dir: "/d"}},
		{"neither", "30 23 0:26 / DIR/bare rw - cgroup2 cgroup2 rw\n", cpuTree{}},
		{"not a mountinfo", "a b c - d\n - \nx", cpuTree{}},
		{"empty", "", cpuTree{}},
	} {
		got, err := cpuTreeIn(strings.ReplaceAll(c.mountinfo, "DIR", dir))
		if got != c.want || (err == nil) != (c.want.dir != "") {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

func TestGroupFiles(t *testing.T) {
	for _, c := range []struct {
		tree  cpuTree
		files map[string]string
	}{
		{cpuTree{dir: t.TempDir()}, map[string]string{"cpu.cfs_quota_us": "2000", "cpu.cfs_period_us": "100000"}},
		{cpuTree{dir: t.TempDir(), unified: true}, map[string]string{"cpu.max": "2000 100000"}},
	} {
		g, err := c.tree.newGroup(0.02)
		do(t, err)
		for name, want := range c.files {
			if got, err := os.ReadFile(filepath.Join(g.dir, name)); string(got) != want || err != nil {
				t.Errorf("%s: %q, %v; want %q", name, got, err, want)
			}
		}
	}
}

func TestHomeOfAProcess(t *testing.T) {
	const both = "9:name=systemd:/s\n3:cpuset:/c\n1:cpu,cpuacct:/a:b\n0::/u/v\n"
	for _, c := range []struct {
		tree       cpuTree
		text, want string
	}{
		{cpuTree{dir: "/x"}, both, "/x/a:b"},
		{cpuTree{dir: "/x", unified: true}, both, "/x/u/v"},
		{cpuTree{dir: "/x"}, "0::/u\n", ""},
		{cpuTree{dir: "/x", unified: true}, "1:cpu:/a\n::\n\n:", ""},
	} {
		if got, ok := c.tree.homeIn(c.text); got != c.want || ok != (c.want != "") {
			t.Errorf("%+v: %q, %v; want %q", c.tree, got, ok, c.want)
		}
	}
}

func FuzzCPUTree(f *testing.F) {
	f.Add("36 25 0:30 / /sys/fs/cgroup/cpu rw shared:15 - cgroup cgroup rw,cpu\n30 23 0:26 / /x rw - cgroup2 cgroup2 rw\n")
	f.Add(" - \n - cgroup\na b c d e - cgroup2 x")
	f.Fuzz(func(t *testing.T, mountinfo string) {
		if tree, err := cpuTreeIn(mountinfo); (err == nil) != (tree.dir != "") {
			t.Errorf("%q: %+v, %v", mountinfo, tree, err)
		}
	})
}

func TestPause(t *testing.T) {
	const pause = 200 * time.Millisecond
	p := start(t, play("echo"))
	conn := dial(t, hostOf(p))
	expectEcho(t, conn, "before")
	begin := time.Now()
	paused := make(chan error, 1)
	go func() { paused <- p.Pause(pause) }()
	for processState(t, p.PID()) != "T" {
		if time.Since(begin) > bound {
			t.Fatal("the process does not stop")
		}
	}
	expectEcho(t, conn, "during")
	if took := time.Since(begin); took < pause {
		t.Errorf("an echo came after %v, in a pause of %v", took, pause)
	}
	do(t, <-paused)

	go func() { paused <- p.Pause(time.Hour) }()
	for processState(t, p.PID()) != "T" {
		if time.Since(begin) > bound {
			t.Fatal("the process does not stop")
		}
	}
	do(t, unix.Kill(p.PID(), unix.SIGKILL))
	// The end of the process is the end of its pause.
	if err := <-paused; err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	if p.Pause(1) == nil {
		t.Error("a dead process paused")
	}
}
