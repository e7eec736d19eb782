package broker

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
)

// TestChurn connects, subscribes and leaves, in every way there is, and looks
// for anything that stays behind.
func TestChurn(t *testing.T) {
	const workers, each = 8, 300
	b := startTest(t, Config{})
	before := descriptors(t)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if err := visit(b, w, i); err != nil {
					t.Errorf("visit %d of %d: %v", i, w, err)
					return
				}
			}
		})
	}
	wg.Wait()
	awaitCount(t, b, 0)
	if n := descriptors(t); n > before+5 {
		t.Errorf("%d descriptors are open, %d were", n, before)
	}
	checkLedger(t, b)
	b.routes.mu.Lock()
	defer b.routes.mu.Unlock()
	if r := &b.routes.router; r.count != 0 || r.literal.len() != 0 || !r.root.empty() {
		t.Errorf("%d subscriptions are left", r.count)
	}
	b.liveness.mu.Lock()
	defer b.liveness.mu.Unlock()
	if n := len(b.liveness.turns); n != 0 {
		t.Errorf("%d clients are still watched", n)
	}
}

// visit is one short connection.
func visit(b *Broker, worker, i int) error {
	conn, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "CONNECT {\"verbose\":false}\r\nSUB a.%d.%d 1\r\nSUB a.> q 2\r\nPUB a.%d 1\r\nx\r\nPING\r\n", worker, i, worker)
	if err != nil {
		return err
	}
	var got strings.Builder
	one := make([]byte, 256)
	for !strings.Contains(got.String(), "PONG\r\n") {
		n, err := conn.Read(one)
		if err != nil {
			return fmt.Errorf("%w behind %q", err, got.String())
		}
		got.Write(one[:n])
	}
	switch i % 4 {
	case 1:
		_ = conn.(*net.TCPConn).SetLinger(0) // a reset
	case 2:
		_, _ = io.WriteString(conn, "ZZZ")
	case 3:
		_, _ = io.WriteString(conn, "PUB a.b 100\r\nhalf")
	}
	return nil
}

// descriptors counts this process's open files.
func descriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Log("descriptors are not counted here:", err)
		return 0
	}
	return len(list)
}
