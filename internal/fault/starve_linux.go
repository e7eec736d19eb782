package fault

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// starveText is what an UnsupportedError calls it.
const starveText = "starving a process"

// starve sends nil to started once p and its busy neighbours share a control
// group, or why they do not; then it waits for the end and takes the group away.
func starve(p *Process, share float64, stop <-chan struct{}, started chan<- error) (err error) {
	// The kernel kills the neighbours when this thread dies.
	onThread(func() {
		tree, startErr := findCPUTree()
		if startErr != nil {
			started <- &UnsupportedError{starveText, startErr}
			return
		}
		g, startErr := tree.newGroup(share)
		if startErr != nil {
			started <- &UnsupportedError{starveText, startErr}
			return
		}
		neighbours, startErr := crowd(g, p)
		if startErr == nil {
			started <- nil
			select {
			case <-stop:
			case <-p.done:
			}
		}
		for _, n := range neighbours {
			_ = n.Process.Kill() // fails only if it has ended
			_ = n.Wait()         // "killed", which is what was wanted
		}
		err = g.remove()
		if startErr != nil {
			started <- startErr
		}
	})
	return err
}

// crowd puts p into the group, and a busy neighbour on each processor: what a
// group may use is handed out to one processor after the other, and on one
// without neighbour a little of it would last p long. It returns the neighbours
// that it started, also with an error.
func crowd(g *group, p *Process) (neighbours []*exec.Cmd, err error) {
	var processors unix.CPUSet
	if err := unix.SchedGetaffinity(0, &processors); err != nil {
		return nil, fmt.Errorf("fault: starve process %d: processors: %w", p.PID(), err)
	}
	for cpu, left := 0, processors.Count(); left > 0; cpu++ {
		if !processors.IsSet(cpu) {
			continue
		}
		left--
		n := exec.Command("/bin/sh", "-c", "while :; do :; done")
		n.SysProcAttr = childAttributes()
		if err := n.Start(); errors.Is(err, os.ErrNotExist) {
			return neighbours, &UnsupportedError{starveText, err}
		} else if err != nil {
			return neighbours, fmt.Errorf("fault: starve process %d: busy neighbour: %w", p.PID(), err)
		}
		neighbours = append(neighbours, n)
		var one unix.CPUSet
		one.Set(cpu)
		err := errors.Join(unix.SchedSetaffinity(n.Process.Pid, &one), g.add(n.Process.Pid))
		if err != nil {
			return neighbours, fmt.Errorf("fault: starve process %d: busy neighbour: %w", p.PID(), err)
		}
	}
	if err := errors.Join(g.add(p.PID()), g.waitThrottled()); err != nil {
		return neighbours, fmt.Errorf("fault: starve process %d: %w", p.PID(), err)
	}
	return neighbours, nil
}
