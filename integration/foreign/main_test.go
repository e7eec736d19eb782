package foreign_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"vigil/internal/fault"
	"vigil/internal/lab"
)

// brokerEnv makes this binary serve the broker that it names.
const brokerEnv = "VIGIL_FOREIGN_BROKER"

// patience bounds the wait for what must happen.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if name := os.Getenv(brokerEnv); name != "" {
		if err := lab.Serve(name, os.Args[1], lab.ServeOptions{}, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	status := m.Run()
	if err := removeModules(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		status = 1
	}
	if status == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "FAIL:", err)
			status = 1
		}
	}
	os.Exit(status)
}

// process is a broker in a process of its own, which can be killed.
type process struct {
	name string
	addr string
	proc *fault.Process
}

func startBroker(t *testing.T, name string) *process {
	t.Helper()
	p := &process{name: name, addr: "127.0.0.1:0"}
	p.start(t)
	return p
}

// start starts the broker, at the same address as before.
func (p *process) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	proc, err := fault.StartProcess(ctx, fault.Command{Args: []string{p.addr}, Env: []string{brokerEnv + "=" + p.name}})
	must(t, err)
	t.Cleanup(proc.Kill)
	p.proc, p.addr = proc, strings.TrimPrefix(proc.URL(), "nats://")
}

func (p *process) url() string { return "nats://" + p.addr }

// each runs f on both brokers.
func each(t *testing.T, f func(t *testing.T, b *process)) {
	for _, name := range lab.Brokers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, startBroker(t, name))
		})
	}
}

// dial connects nats.go; an asynchronous error that the test does not expect
// by an ErrorHandler of its own fails it.
func (p *process) dial(t *testing.T, opts ...nats.Option) *nats.Conn {
	t.Helper()
	opts = append([]nats.Option{nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		t.Errorf("nats.go: asynchronous error: %v", err)
	})}, opts...)
	nc, err := nats.Connect(p.url(), opts...)
	must(t, err)
	closed := nc.StatusChanged(nats.CLOSED)
	t.Cleanup(func() {
		if !nc.IsClosed() {
			nc.Close()
			await(t, "the end of a connection", closed)
		}
	})
	return nc
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// await receives from c.
func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case v = <-c:
	case <-timeout.C:
		t.Fatalf("%s: not within %v", what, patience)
	}
	return v
}

// eventually waits for what announces itself by no event, such as a counter
// inside a foreign client.
func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !met() {
		select {
		case <-look.C:
		case <-timeout.C:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// settle returns when all that from published has come to each of the others,
// in any order of arrival: the PONG for a publisher's PING follows the routing
// of what it published, and a subscriber's PONG follows its messages.
func settle(t *testing.T, from *nats.Conn, to ...*nats.Conn) {
	t.Helper()
	must(t, from.Flush())
	for _, nc := range to {
		must(t, nc.Flush())
	}
}

// drainAll returns the payloads that wait in a synchronous subscription.
func drainAll(t *testing.T, s *nats.Subscription) (all []string) {
	t.Helper()
	n, _, err := s.Pending()
	must(t, err)
	for range n {
		m, err := s.NextMsg(patience)
		must(t, err)
		all = append(all, string(m.Data))
	}
	return all
}
