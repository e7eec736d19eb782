package brokertest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"vigil/broker/brokertest"
	"vigil/broker/brokertest/natstest"
	"vigil/subscriber"
)

// natsClient is nats.go with options.
func natsClient(opts ...nats.Option) func(t testing.TB, url, subject string, got func([]byte)) func() {
	return func(t testing.TB, url, subject string, got func([]byte)) func() {
		nc, err := nats.Connect(url, append([]nats.Option{nats.Name("suite"), nats.MaxReconnects(-1)}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Subscribe(subject, func(m *nats.Msg) { got(m.Data) }); err != nil {
			t.Fatal(err)
		}
		closed := nc.StatusChanged(nats.CLOSED)
		return func() {
			nc.Close()
			<-closed
		}
	}
}

// vigilClient is Vigil's subscriber with its defaults.
func vigilClient(t testing.TB, url, subject string, got func([]byte)) func() {
	sub, err := subscriber.Connect(context.Background(), url, subscriber.Config{Name: "suite"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sub.Subscribe(subject)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends when sub is closed; stop waits
		defer close(done)
		for m, err := range s.Messages(context.Background()) {
			if err == nil {
				got(m.Data)
			}
		}
	}()
	return func() {
		sub.Close()
		<-done
	}
}

func onNATS(t testing.TB) *brokertest.Broker { return natstest.Start(t) }

func TestSuite(t *testing.T) {
	t.Parallel()
	tuned := natsClient(nats.PingInterval(500*time.Millisecond), nats.MaxPingsOutstanding(2), nats.Timeout(time.Second),
		nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(10*time.Millisecond, 0))
	for name, c := range map[string]brokertest.Client{
		// Half of the bound is for the machine.
		"vigil":                        {Start: vigilClient, Notice: 4 * time.Second},
		"vigil on nats-server":         {Start: vigilClient, Notice: 4 * time.Second, Broker: onNATS},
		"nats.go":                      {Start: natsClient()},
		"nats.go on nats-server":       {Start: natsClient(), Broker: onNATS},
		"nats.go tuned":                {Start: tuned, Notice: 4 * time.Second},
		"nats.go tuned on nats-server": {Start: tuned, Notice: 4 * time.Second, Broker: onNATS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			brokertest.Suite(t, c)
		})
	}
}

// suiteEnv makes TestFailingSuite run the suite that is to fail.
const suiteEnv = "VIGIL_BROKERTEST_SUITE"

// A client that never comes back, and one that never notices, fail.
func TestFailingSuite(t *testing.T) {
	if os.Getenv(suiteEnv) != "" {
		brokertest.Suite(t, brokertest.Client{Start: natsClient(nats.NoReconnect()), Notice: 3 * time.Second, Back: 3 * time.Second})
		return
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFailingSuite$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), suiteEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Error("it did not fail")
	}
	var table []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 3 && (f[len(f)-3] == "ok" || f[len(f)-3] == "FAIL") || strings.Contains(line, "survived") {
			table = append(table, strings.TrimSpace(line[:min(len(line), 48)]))
		}
	}
	golden(t, "suite_table", strings.Join(table, "\n")+"\n")
}
