package bench

import (
	"bufio"
	"encoding/json"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/internal/lab"
)

// TestClients measures both client libraries for real, briefly, in all roles.
func TestClients(t *testing.T) {
	t.Parallel()
	reuse := client(lab.VigilReuse)
	reuse.Roles = []string{RoleLoop, RoleHandler}
	confirmed := client(lab.VigilResend)
	confirmed.Roles, confirmed.Identifies = []string{RolePublish}, true
	b := Bench{
		Contenders: []Contender{contender(lab.Vigil), contender(lab.NATSServer), client(lab.Vigil), reuse, confirmed, client(lab.NATSGo)},
		Scenarios: slices.DeleteFunc(Scenarios(), func(s Scenario) bool {
			return !strings.HasPrefix(s.Name, "client-") || !slices.Contains(s.speaks, Client)
		}),
		Rounds: 1, Quick: true,
	}
	results, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := Failure(results); err != nil {
		t.Fatal(err)
	}
	if len(results) != 3*3+2*2 {
		t.Fatalf("%d results, want 3 for receiving in two ways and for publishing, and 2 for each of the others", len(results))
	}
	for _, r := range results {
		if r.PerSecond == nil || r.PerSecond.Median <= 0 || r.Allocs == nil {
			t.Errorf("%s with %s: %+v", r.Scenario.Name, r.Broker, r)
		}
		if runtime.GOOS == "linux" && (r.CPU == nil || r.CPU.Median <= 0) {
			t.Errorf("%s with %s: processor time %v", r.Scenario.Name, r.Broker, r.CPU)
		}
		if asks := r.Scenario.Counts == "requests"; asks != (r.P99 != nil) {
			t.Errorf("%s with %s: p99 %v", r.Scenario.Name, r.Broker, r.P99)
		}
	}
	if ratios := Ratios(results, lab.Vigil, lab.NATSGo); len(ratios) != 5 {
		t.Errorf("%d ratios, want one for each scenario", len(ratios))
	}
	if ratios := Ratios(results, lab.VigilResend, lab.Vigil); len(ratios) != 1 || ratios[0].CPU == nil && runtime.GOOS == "linux" {
		t.Errorf("ratios of confirmed publishing: %+v", ratios)
	}
}

// A client that says it received other than was published is out.
func TestLyingClient(t *testing.T) {
	t.Parallel()
	broker, err := contender(lab.Vigil).start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.process.Kill()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		ops := int64(1)
		for lines := bufio.NewScanner(nc); lines.Scan(); ops += 1 << 20 {
			if json.NewEncoder(nc).Encode(report{Ops: ops}) != nil {
				return
			}
		}
	}()
	liar := &target{process: broker.process, dialect: natsDialect{}, addr: l.Addr().String(), broker: broker.addr, meter: broker.meter}
	_, err = measureClientReceive(t.Context(), liar, timing{warm: 10 * time.Millisecond, window: 10 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "the client received ") {
		t.Errorf("error %v", err)
	}
	<-done
}
