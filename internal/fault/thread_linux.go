package fault

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// onThread runs f on a locked thread that is not the main one, and waits for
// it. The main thread is spared because /proc/self describes it and because it
// is parked rather than ended when a goroutine ends locked to it.
func onThread(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	// Owned by this call, which waits for it and meanwhile keeps the main
	// thread to itself; ends with f.
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		f()
	}()
	<-done
}

// within runs f in the namespace ns and returns its error. The thread that did
// so goes back to its own namespace; if it cannot, it dies.
func within(ns netns.NsHandle, f func() error) error {
	// Owned by this call, which waits for it; ends with f.
	result := make(chan error, 1)
	go onThread(func() {
		leave, err := enter(ns)
		if err == nil {
			err = f()
			leave()
		}
		result <- err
	})
	return <-result
}

// enter moves the calling thread, which is locked, into ns. The function it
// returns moves it back; if that fails it locks the thread once more, so that
// the thread dies with its goroutine and no other goroutine ever runs in the
// wrong namespace.
func enter(ns netns.NsHandle) (leave func(), err error) {
	home, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("open own namespace: %w", err)
	}
	if err := netns.Set(ns); err != nil {
		home.Close()
		return nil, fmt.Errorf("enter namespace: %w", err)
	}
	return func() {
		if err := netns.Set(home); err != nil {
			runtime.LockOSThread()
		}
		home.Close()
	}, nil
}

// newNamespace makes a network namespace without a name, which lives as long
// as the handle, a process or a socket in it.
func newNamespace() (netns.NsHandle, error) {
	type made struct {
		ns  netns.NsHandle
		err error
	}
	// Owned by this call, which waits for it; ends when the namespace is made.
	result := make(chan made, 1)
	go onThread(func() {
		home, err := netns.Get()
		if err != nil {
			result <- made{netns.None(), fmt.Errorf("open own namespace: %w", err)}
			return
		}
		ns, err := netns.New() // which also enters it
		if back := netns.Set(home); back != nil {
			runtime.LockOSThread() // the thread dies: see enter
		}
		home.Close()
		result <- made{ns, err}
	})
	r := <-result
	if r.err != nil {
		return netns.None(), fmt.Errorf("make namespace: %w", r.err)
	}
	return r.ns, nil
}
