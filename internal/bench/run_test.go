package bench

import (
	"context"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"vigil/internal/fault"
	"vigil/internal/lab"
)

// choose returns scenarios, which must exist.
func choose(t *testing.T, names ...string) []Scenario {
	t.Helper()
	scenarios, err := Choose(names, false)
	if err != nil {
		t.Fatal(err)
	}
	return scenarios
}

// TestRun measures both brokers and the relay for real, briefly.
func TestRun(t *testing.T) {
	t.Parallel()
	b := Bench{
		Contenders: []Contender{contender(lab.Vigil), contender(lab.NATSServer), relay()},
		Scenarios:  choose(t, "1-to-1-1KiB", "queue-of-8", "1-to-nobody", "request-busy"),
		Rounds:     1, Quick: true,
	}
	results, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := Failure(results); err != nil {
		t.Fatal(err)
	}
	if len(results) != 3+2+2+2 {
		t.Fatalf("%d results, want 9", len(results))
	}
	for _, r := range results {
		if r.PerSecond == nil || r.PerSecond.Median <= 0 || r.Rounds != 1 {
			t.Errorf("%s on %s: %+v", r.Scenario.Name, r.Broker, r)
		}
		if runtime.GOOS == "linux" && (r.CPU == nil || r.CPU.Median <= 0 || r.Peak == nil) {
			t.Errorf("%s on %s: processor time %v, memory %v", r.Scenario.Name, r.Broker, r.CPU, r.Peak)
		}
	}
	if ratios := Ratios(results, lab.Vigil, lab.NATSServer); len(ratios) != 4 {
		t.Errorf("%d ratios, want one for each scenario", len(ratios))
	}
}

// TestFailure lets a contender that is no broker fail, and the other finish.
func TestFailure(t *testing.T) {
	t.Parallel()
	missing, err := exec.LookPath("true")
	if err != nil {
		t.Skip(err)
	}
	broken := Contender{Name: "broken", Command: func(Options) fault.Command {
		return fault.Command{Path: missing}
	}}
	b := Bench{
		Contenders: []Contender{contender(lab.Vigil), broken},
		Scenarios:  choose(t, "1-to-1-128B"), Rounds: 1, Quick: true,
	}
	results, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = Failure(results)
	if err == nil || !strings.Contains(err.Error(), "1-to-1-128B on broken, verifying: ") {
		t.Fatalf("failure %v", err)
	}
	if results[0].Err != nil || len(Ratios(results, lab.Vigil, "broken")) != 0 {
		t.Fatalf("results %+v", results)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	b := Bench{
		Contenders: []Contender{contender(lab.Vigil), contender(lab.NATSServer)},
		Scenarios:  choose(t, "1-to-1-128B"), Quick: true,
		Tell: func(s Step) {
			if s.What == "round 1 of 3" {
				time.AfterFunc(100*time.Millisecond, cancel)
			}
		},
	}
	if _, err := b.Run(ctx); err != context.Canceled {
		t.Fatalf("error %v", err)
	}
}

func TestChoose(t *testing.T) {
	for _, tc := range []struct {
		names []string
		quick bool
		want  func(n int) bool
	}{
		{nil, false, func(n int) bool { return n == len(Scenarios())-1 }},
		{nil, true, func(n int) bool { return n > 5 && n < len(Scenarios()) }},
		{[]string{"client-failover"}, true, func(n int) bool { return n == 1 }}, // has to be named
		{[]string{"headers", "10-to-1"}, true, func(n int) bool { return n == 2 }},
	} {
		got, err := Choose(tc.names, tc.quick)
		if err != nil || !tc.want(len(got)) {
			t.Errorf("%v, quick %v: %d scenarios, %v", tc.names, tc.quick, len(got), err)
		}
	}
	if _, err := Choose([]string{"10-to-1", "nope"}, false); err == nil || !strings.Contains(err.Error(), `"nope"`) {
		t.Errorf("an unknown name gives %v", err)
	}
}
