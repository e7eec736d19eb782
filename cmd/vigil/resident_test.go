package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// resident returns how much memory the program has that is resident, in bytes.
func (r *running) resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		t.Skip("resident memory is not told here:", err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kb, _ := strconv.Atoi(fields[1])
			return kb << 10
		}
	}
	t.Skipf("no VmRSS in %s", text)
	return 0
}

// What clients have given up, by UNSUB or by going, the system has back within
// seconds, while nothing else is going on.
func TestMemoryComesBack(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has memory of its own")
	}
	const each = 200_000
	r := runBroker(t, "-p", "-1")
	stays, goes := r.dial(t), r.dial(t)
	before := r.resident(t)
	for _, c := range []talk{stays, goes} {
		out := bufio.NewWriterSize(c, 64<<10)
		fmt.Fprint(out, "CONNECT {\"verbose\":false}\r\n")
		for i := range each {
			fmt.Fprintf(out, "SUB orders.%d.new %d\r\n", i, i)
		}
		if err := out.Flush(); err != nil {
			t.Fatal(err)
		}
		c.say(t, "PING\r\n", "PONG")
	}
	grown := r.resident(t) - before
	if grown < 40<<20 {
		t.Fatalf("%d subscriptions take %d bytes: too little to see it come back", 2*each, grown)
	}
	goes.Close()
	out := bufio.NewWriterSize(stays, 64<<10)
	for i := range each {
		fmt.Fprintf(out, "UNSUB %d\r\n", i)
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	stays.say(t, "PING\r\n", "PONG")
	begun := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for left := grown; left > grown/4; left = r.resident(t) - before {
		if <-tick.C; time.Since(begun) > patience {
			t.Fatalf("of %d bytes %d are still resident", grown, left)
		}
	}
	t.Logf("of %d bytes %d are left after %v", grown, r.resident(t)-before, time.Since(begun))
}
