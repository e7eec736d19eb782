package fault

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestNothingIsLeft runs the whole life of a site again and again and counts
// descriptors, children and namespaces held.
func TestNothingIsLeft(t *testing.T) {
	const rounds = 10
	for _, mode := range []Mode{PacketsDropped, Proxied} {
		t.Run(string(mode), func(t *testing.T) {
			needSite(t, mode)
			liveOnce(t, mode) // what is opened once and for all is opened here
			before := countHeld(t)
			for range rounds {
				liveOnce(t, mode)
			}
			after := countHeld(t)
			if after != before {
				t.Errorf("held %+v before %d rounds, %+v after", before, rounds, after)
			}
			expectOneNamespace(t)
			t.Logf("held before and after: %+v", before)
		})
	}
}

// The same of hosts whose links are impaired when they are closed, rebooted or
// left to the switch, with a router and without.
func TestNothingIsLeftOfImpairedHosts(t *testing.T) {
	const rounds = 3
	round := func() {
		s := needSwitch(t)
		for n, h := range []*Host{newHost(t, s, 10), newRouted(t, s, 11), newHost(t, s, 12)} {
			do(t, h.Impair(Both, Impairment{Loss: 0.01, Rate: 1e9, Delay: time.Millisecond}))
			do(t, h.Reboot())
			conn, _ := pair(t, nil, h)
			do(t, h.Impair(FromHost, Impairment{}))
			do(t, conn.Close())
			if n > 0 {
				do(t, h.Close())
			}
		}
		do(t, s.Close())
	}
	round()
	before := countHeld(t)
	for range rounds {
		round()
	}
	// Each round leaves the far end of its three connections to the cleanup.
	after := countHeld(t)
	after.descriptors -= 3 * rounds
	if after != before {
		t.Errorf("held %+v before %d rounds, %+v after", before, rounds, after)
	}
}

// liveOnce is the life of a site, cut short in the middle at its end.
func liveOnce(t *testing.T, mode Mode) {
	t.Helper()
	s, err := NewSite(mode)
	do(t, err)
	startAt(t, s)
	for range 2 {
		conn := dial(t, s.Addr())
		expectEcho(t, conn, "hello")
		do(t, s.Cut(ToHost))
		do(t, s.Mend())
		do(t, s.Vanish())
		do(t, s.Return())
		do(t, conn.Close())
		startAt(t, s)
	}
	_, err = s.Start(t.Context(), play("fail", AddrPlaceholder))
	if err == nil {
		t.Fatal("two processes on one site")
	}
	do(t, s.Close())
	if _, err := s.Start(t.Context(), echoAt()); err == nil {
		t.Fatal("a process started on a closed site")
	}
	if h, ok := s.(*hostSite); ok {
		c := play("echo")
		c.Host = h.host
		if _, err := StartProcess(t.Context(), c); err == nil {
			t.Fatal("a process started on a closed host")
		}
	}
	if _, err := StartProcess(t.Context(), play("fail")); err == nil {
		t.Fatal("a failing process started")
	}
}

// held is what a leak would show in.
type held struct{ descriptors, children, namespaces int }

// countHeld counts this process's descriptors, those of them that are
// namespaces, and its children.
func countHeld(t *testing.T) held {
	t.Helper()
	var h held
	fds, err := os.ReadDir("/proc/self/fd")
	do(t, err)
	for _, fd := range fds {
		target, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err != nil {
			continue // the directory itself
		}
		h.descriptors++
		if strings.HasPrefix(target, "net:[") {
			h.namespaces++
		}
	}
	processes, err := os.ReadDir("/proc")
	do(t, err)
	for _, p := range processes {
		if _, err := strconv.Atoi(p.Name()); err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + p.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			h.children++
		}
	}
	return h
}
