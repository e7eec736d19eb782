//go:build unix

package broker

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limitDescriptors lets this process have no more than fewDescriptors open.
func limitDescriptors() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = fewDescriptors
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// A broker without a descriptor to spare goes on serving the clients it has,
// does not turn in circles meanwhile, and takes new ones when there are
// descriptors again.
func TestOutOfDescriptors(t *testing.T) {
	const crowd = 150
	b := startChild(t, childConfig{FewDescriptors: true})
	old := b.dial(t, quietConnect)
	rawFlush(t, old, "SUB a 1\r\n")
	var conns []net.Conn
	for range crowd {
		// The system completes the connections that the broker cannot take.
		conns = append(conns, b.dial(t, quietConnect))
	}
	await(t, "no descriptor left", func() bool { return b.descriptors(t) >= fewDescriptors })

	const span = time.Second
	used := b.processorTime(t)
	tick := time.NewTicker(span / 50)
	defer tick.Stop()
	for begun := time.Now(); time.Since(begun) < span; <-tick.C {
		rawFlush(t, old, "PUB a 1\r\nx\r\n") // which its own message comes before
	}
	used = b.processorTime(t) - used
	t.Logf("%v of processor time in %v without descriptors", used, span)
	if used > span/3 {
		t.Errorf("%v of processor time was used in %v", used, span)
	}
	if n := b.descriptors(t); n < fewDescriptors {
		t.Fatalf("there were %d descriptors all the time", fewDescriptors-n)
	}

	for _, conn := range conns {
		conn.Close()
	}
	fresh := b.dial(t, quietConnect)
	_ = fresh.SetDeadline(time.Now().Add(testPatience))
	rawFlush(t, fresh, "SUB b 1\r\n")
	rawFlush(t, old, "PUB b 1\r\nx\r\n")
	if err := readUntil(fresh, "MSG b 1 1\r\nx\r\n"); err != nil {
		t.Error(err)
	}
}

// processorTime returns the processor time that the broker has used: the 14th
// and 15th figure of /proc/PID/stat, in hundredths of a second.
func (b *childBroker) processorTime(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the second is a name
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		t.Fatalf("/proc/%d/stat: %q", b.pid, text)
	}
	var ticks int
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
