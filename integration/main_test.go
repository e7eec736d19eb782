package integration_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vigil/internal/fault"
	"vigil/internal/lab"
	"vigil/publisher"
)

// brokerEnv makes this binary serve the broker that it names.
const brokerEnv = "VIGIL_INTEGRATION_BROKER"

// routesEnv makes that broker a member of a cluster: the addresses for routes,
// its own first.
const routesEnv = "VIGIL_INTEGRATION_ROUTES"

// feedEnv makes that broker publish numbers to this subject from its own host,
// where no cut reaches; ":1000" behind it makes each message that long.
const feedEnv = "VIGIL_INTEGRATION_FEED"

// requireEnv makes tests fail that would be skipped for want of namespaces.
const requireEnv = "VIGIL_REQUIRE_NAMESPACES"

var long = flag.Bool("long", false, "more crashes in a row, and behind a proxy too: four minutes")

// slots is how many tests run side by side unless -parallel says otherwise:
// they wait for seconds and compute for milliseconds.
const slots = "10"

func TestMain(m *testing.M) {
	if name := os.Getenv(brokerEnv); name != "" {
		os.Exit(serve(name))
	}
	if url := os.Getenv(clientEnv); url != "" {
		os.Exit(subscribe(url))
	}
	os.Exit(fault.RunIsolated(func() int { return run(m) }))
}

// serve is the child's side of brokerCommand.
func serve(name string) int {
	var o lab.ServeOptions
	if routes := strings.Split(os.Getenv(routesEnv), ","); len(routes) > 1 {
		o.Cluster, o.Routes = routes[0], routes[1:]
	}
	if subject := os.Getenv(feedEnv); subject != "" {
		go feedFromWithin(os.Args[1], subject)
	}
	err := error(nil)
	if files, secure := strings.CutPrefix(name, secureBroker+"\n"); secure {
		err = serveSecurely(strings.Split(files, "\n"), os.Args[1])
	} else {
		err = lab.Serve(name, os.Args[1], o, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// feedFromWithin publishes numbers until the process ends.
func feedFromWithin(addr, subject string) {
	pub, err := publisher.Connect(context.Background(), addr, publisher.Config{KeepTrying: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, "feed:", err)
		return
	}
	subject, length, _ := strings.Cut(subject, ":")
	size, _ := strconv.Atoi(length) // 0 for none
	padding := strings.Repeat("x", size)
	for n := 0; ; n++ {
		if err := pub.Publish(context.Background(), subject, fmt.Appendf(nil, "%d %s", n, padding)); err != nil {
			fmt.Fprintln(os.Stderr, "feed:", err)
			return
		}
		time.Sleep(gently)
	}
}

// brokerCommand starts this binary again as the named broker.
func brokerCommand(name string) fault.Command {
	return fault.Command{Args: []string{fault.AddrPlaceholder}, Env: []string{brokerEnv + "=" + name}}
}

func run(m *testing.M) int {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		if err := flag.Set("test.parallel", slots); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	before := descriptors()
	stopMeter := starvation.run()
	status := m.Run()
	stopMeter()
	if err := removePrograms(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = max(status, 1)
	}
	if status == 0 {
		if err := nothingLeft(before); err != nil {
			fmt.Fprintln(os.Stderr, "FAIL:", err)
			status = 1
		}
	}
	return status
}

// nothingLeft reports goroutines, children and descriptors that outlived the
// tests.
func nothingLeft(before map[string]int) error {
	err := goleak.Find()
	if left := children(os.Getpid()); len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("children left: %v", left))
	}
	if more := grown(before, descriptors()); len(more) > 0 {
		err = errors.Join(err, fmt.Errorf("descriptors left: %v", more))
	}
	return err
}

// needPackets skips a test that needs packets to be dropped where the kernel
// does not allow it.
func needPackets(t *testing.T) {
	t.Helper()
	err := fault.Isolation()
	switch {
	case err == nil:
	case os.Getenv(requireEnv) != "":
		t.Fatalf("%s is set, but: %v", requireEnv, err)
	default:
		t.Skipf("UNSUPPORTED: %v", err)
	}
}

// withoutOurs is the environment without what tells a process about these
// tests: as a user's shell has it.
func withoutOurs() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "VIGIL_") && !strings.HasPrefix(e, "NATS_") {
			env = append(env, e)
		}
	}
	return env
}

// spell lets d pass: how long a fault lasts, or a healthy time, is the subject
// of a test and no event.
func spell(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}
