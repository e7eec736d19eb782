package integration_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/internal/fault"
	"vigil/internal/lab"
)

// labKeys are what `vigil-lab --json` promises of each object.
var labKeys = []string{
	"broker", "cause", "computed_ms", "contender", "deaf_ms", "detected_ms", "fault", "missed", "mode",
	"reconnected_ms", "resumed", "resumed_ms", "silence_ms", "uncovered",
}

// labContenders are those who take part on each broker, in order.
var labContenders = []string{"vigil", "vigil-lesson", "nats.go", "nats.go-1s", "keepalive-go"}

// The lab as a user runs it, in each mode: it is isolated by itself, whatever
// these tests run in.
func TestLab(t *testing.T) {
	t.Parallel()
	for _, mode := range bothModes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			if mode == fault.PacketsDropped {
				needPackets(t)
			}
			p := start(t, nil, "vigil-lab", "--json", "--outage", "3s", "--mode", string(mode))
			if status := p.status(t); status != 0 {
				t.Fatalf("exit status %d", status)
			}
			if told := p.err.String(); told != "" {
				t.Errorf("standard error: %s", told)
			}
			lines := p.out.lines()
			if len(lines) != len(lab.Brokers())*len(labContenders) {
				t.Fatalf("%d lines, want one for each of %d brokers and %d contenders:\n%s",
					len(lines), len(lab.Brokers()), len(labContenders), &p.out)
			}
			for k, line := range lines {
				broker, contender := lab.Brokers()[k/len(labContenders)], labContenders[k%len(labContenders)]
				checkLabLine(t, line, mode, broker, contender)
			}
		})
	}
}

// checkLabLine checks one object.
func checkLabLine(t *testing.T, line string, mode fault.Mode, broker, contender string) {
	t.Helper()
	var keys map[string]any
	must(t, json.Unmarshal([]byte(line), &keys))
	if got := slices.Sorted(maps.Keys(keys)); !slices.Equal(got, labKeys) {
		t.Errorf("keys %v, want %v", got, labKeys)
	}
	var r lab.Result
	must(t, json.Unmarshal([]byte(line), &r))
	if r.Broker != broker || r.Contender != contender || r.Mode != mode || r.Fault != lab.FaultCrash {
		t.Errorf("%s: want %s, %s, %s, %s", line, broker, contender, mode, lab.FaultCrash)
	}
	if contender != "vigil" {
		return
	}
	if r.DetectedMS == nil || *r.DetectedMS > promise.Milliseconds() || !r.Resumed ||
		r.Uncovered == nil || *r.Uncovered != 0 || !strings.HasPrefix(r.Cause, "stale: ") {
		t.Errorf("vigil's subscriber did not keep its promise: %s", line)
	}
}

// A lab that is interrupted ends at once and leaves neither a process nor half
// a result behind.
func TestLabInterrupted(t *testing.T) {
	t.Parallel()
	for _, mode := range bothModes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			if mode == fault.PacketsDropped {
				needPackets(t)
			}
			if len(processes()) == 0 {
				t.Skip("UNSUPPORTED: no /proc to find processes in")
			}
			p := start(t, nil, "vigil-lab", "--json", "--mode", string(mode))
			pid, want := p.cmd.Process.Pid, len(lab.Brokers())
			if mode == fault.PacketsDropped {
				want++ // the isolated process between
			}
			eventually(t, "the lab's brokers run", func() bool { return len(descendants(pid)) >= want })
			spell(t, 500*time.Millisecond) // into the middle of it
			family := descendants(pid)
			asked := time.Now()
			p.signal(t, os.Interrupt)
			if status := p.status(t); status != 130 {
				t.Errorf("exit status %d, want 130", status)
			}
			if took := time.Since(asked); took > 3*time.Second+starvation.between(asked, time.Now()) {
				t.Errorf("it took %v to end", took)
			}
			eventually(t, "the lab's processes have ended", func() bool { return len(alive(family)) == 0 })
			if out := p.out.String(); out != "" {
				t.Errorf("standard output: %q, want nothing", out)
			}
			if told := p.err.lines(); len(told) != 1 || told[0] != "vigil-lab: interrupted\n" {
				t.Errorf("standard error: %q", told)
			}
		})
	}
}

// What the lab cannot obey.
func TestLabErrors(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"--mode nope", "--outage -1s", "--outage 2h", "--nope", "nope"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			checkOneLine(t, start(t, nil, "vigil-lab", strings.Fields(args)...), 2)
		})
	}
}

// How soon clients of a cluster are on another node is a scenario of the benchmark,
// which finds namespaces by itself.
func TestFailoverIsMeasured(t *testing.T) {
	t.Parallel()
	needPackets(t)
	p := start(t, nil, "vigil-lab", "bench", "--scenario", "client-failover", "--rounds", "1", "--json")
	select {
	case <-p.ended: // three clusters one after the other, beside other tests
	case <-time.After(2 * patience):
	}
	if status := p.status(t); status != 0 {
		t.Fatalf("exit status %d: %s", status, &p.err)
	}
	var clients []string
	for _, line := range p.out.lines() {
		var r struct {
			Scenario, Broker string
			Rounds           int
			P50              float64 `json:"p50_us"`
			InTime           *int    `json:"in_time"`
			RatioOf          string  `json:"ratio_of"`
		}
		must(t, json.Unmarshal([]byte(line), &r))
		if r.RatioOf != "" {
			continue
		}
		clients = append(clients, r.Broker)
		if took := time.Duration(r.P50) * time.Microsecond; r.Scenario != "client-failover" || r.Rounds != 1 || r.InTime == nil || took < 500*time.Millisecond || took > patience {
			t.Errorf("%s", line)
		}
	}
	if want := []string{"vigil", "vigil-1s", "nats.go-1s"}; !slices.Equal(clients, want) {
		t.Errorf("clients %v, want %v", clients, want)
	}
}
