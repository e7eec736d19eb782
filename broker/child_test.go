package broker

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// childVariable holds the configuration of a test binary that is to be a broker
// instead: what a broker's memory and processor time come to can be told when
// its clients live in another process.
const childVariable = "VIGIL_TEST_BROKER"

// childConfig is the part of Config that these tests set.
type childConfig struct {
	MemoryBudget     int
	HandshakeTimeout time.Duration
	// FewDescriptors limits the process to fewDescriptors of them, where that
	// can be done.
	FewDescriptors bool
}

const fewDescriptors = 64

// serveAsChild is a broker until standard input ends.
func serveAsChild(config string) {
	var cfg childConfig
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		panic(err)
	}
	if cfg.FewDescriptors {
		if err := limitDescriptors(); err != nil {
			panic(err)
		}
	}
	b, err := Start(Config{
		Port: RandomPort, MemoryBudget: cfg.MemoryBudget, HandshakeTimeout: cfg.HandshakeTimeout,
	})
	if err != nil {
		panic(err)
	}
	go func() { // ends with the process
		for range time.Tick(100 * time.Millisecond) { // as vigil broker does
			debug.SetMemoryLimit(b.MemoryLimit())
		}
	}()
	fmt.Println(b.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = b.Shutdown(context.Background())
}

// startSelf starts the test binary again, with a configuration in a variable of
// its environment, as something that ends when its standard input does: with end,
// or with the test. It returns the first line that this prints.
func startSelf(t *testing.T, variable string, config any) (line string, pid int, end func()) {
	t.Helper()
	text, _ := json.Marshal(config)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), variable+"="+string(text))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the child of %s ends with %v", variable, err)
		}
	})
	t.Cleanup(end)
	line, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), cmd.Process.Pid, end
}

// childBroker is a broker in a process of its own.
type childBroker struct {
	addr string
	pid  int
}

func startChild(t *testing.T, cfg childConfig) *childBroker {
	t.Helper()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("resident memory is not told here:", err)
	}
	addr, pid, _ := startSelf(t, childVariable, cfg)
	return &childBroker{addr, pid}
}

// memory returns a figure of /proc/PID/status, in bytes: VmRSS is what is
// resident, VmHWM the most that ever was.
func (b *childBroker) memory(t *testing.T, name string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == name+":" {
			kb, _ := strconv.Atoi(fields[1])
			return kb << 10
		}
	}
	t.Fatalf("no %s in /proc/%d/status", name, b.pid)
	return 0
}

// descriptors counts the process's open files.
func (b *childBroker) descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// dial connects and sends text, which begins the conversation.
func (b *childBroker) dial(t testing.TB, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}
