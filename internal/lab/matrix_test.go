package lab

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/internal/natsjs"
)

func TestPlan(t *testing.T) {
	tests := []struct {
		name   string
		matrix Matrix
		trials int
		err    string
	}{
		{"one", Matrix{Faults: []string{"kill"}, Brokers: []string{Vigil}, Activities: []Activity{IdleActivity}}, 1, ""},
		{"repeated", Matrix{Faults: []string{"kill"}, Brokers: []string{Vigil}, Activities: []Activity{Receiving}, Repeat: 3}, 3, ""},
		{"both brokers, and the cluster", Matrix{Faults: []string{"kill"}, Full: true, Activities: Activities()}, 3 + 3 + 3, ""},
		{"what happens on the way is the same for a cluster", Matrix{Faults: []string{"cut"}, Quick: true}, 2, ""},
		{"unknown fault", Matrix{Faults: []string{"earthquake"}}, 0, `unknown fault "earthquake": want one of healthy, shutdown,`},
		{"unknown contender", Matrix{Contenders: []string{"redis"}}, 0, `unknown contender "redis"`},
		{"unknown broker", Matrix{Brokers: []string{"kafka"}}, 0, `unknown broker "kafka"`},
		{"unknown activity", Matrix{Activities: []Activity{"dancing"}}, 0, `unknown activity "dancing"`},
		{"does not go together", Matrix{Faults: []string{"cut"}, Brokers: []string{NATSCluster}}, 0, "nothing is left"},
		{"nobody", Matrix{Contenders: []string{}}, 0, "0 contenders"},
		{"own settings", Matrix{Faults: []string{"kill"}, Brokers: []string{Vigil}, Contenders: []string{"nats.go:20sx2"}, Quick: true}, 1, ""},
		{"own settings, wrong", Matrix{Contenders: []string{"nats.go:soon"}}, 0, "want nats.go:INTERVALxOUTSTANDING"},
	}
	for _, tt := range tests {
		trials, err := tt.matrix.withDefaults().plan()
		if len(trials) != tt.trials || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %d trials, error %v; want %d, %q", tt.name, len(trials), err, tt.trials, tt.err)
		}
	}
}

// Each fault has a name and words of its own, and a right one has right causes.
func TestWays(t *testing.T) {
	seen := make(map[string]bool)
	for _, w := range ways() {
		if w.name == "" || w.about == "" || w.begin == nil || w.end == nil || seen[w.name] {
			t.Errorf("fault %q is not whole", w.name)
		}
		seen[w.name] = true
		if w.dead != (len(w.right) > 0) {
			t.Errorf("%s: dead %v, and right causes %q", w.name, w.dead, w.right)
		}
		if w.silent != (w.when != "") {
			t.Errorf("%s: silent %v, and words for the headline: %q", w.name, w.silent, w.when)
		}
		if !slices.ContainsFunc(MatrixBrokers(), func(b string) bool {
			return slices.ContainsFunc(Activities(), func(a Activity) bool { return w.suits(b, a) })
		}) {
			t.Errorf("%s is never tried", w.name)
		}
	}
}

// When a contender notices by itself depends on what its kernel sees.
func TestLatest(t *testing.T) {
	tests := []struct {
		fault     string
		activity  Activity
		contender string
		want      time.Duration
		known     bool
	}{
		{"power-off", Receiving, "vigil", 1800 * time.Millisecond, true},
		{"power-off", Receiving, "nats.go-20s", time.Minute, true},
		{"power-off", Publishing, "nats.go-20s", time.Minute, false},
		{"power-off", Receiving, "keepalive-1/1/3", 4 * time.Second, true},
		{"power-off", Publishing, "keepalive-1/1/3", retransmission, true},
		{"freeze", Receiving, "keepalive-1/1/3", 0, true},
		{"crash-fin-lost", Receiving, "keepalive-1/1/3", 0, false},
		{"power-off", Receiving, userTimeoutName, 0, true},
		{"power-off", Publishing, userTimeoutName, userTimeout, true},
		{"fin-lost", Receiving, "nats.go", 0, false},
		{"power-off", Receiving, "none", 0, true},
	}
	for _, tt := range tests {
		c, err := contenderNamed(tt.contender)
		if err != nil {
			t.Fatal(err)
		}
		trial := trial{way: wayNamed(tt.fault), activity: tt.activity}
		if got, known := trial.latest(c); got != tt.want || known != tt.known {
			t.Errorf("%s, %s, %s: %v %v, want %v %v", tt.fault, tt.activity, tt.contender, got, known, tt.want, tt.known)
		}
	}
}

// A matrix on real sockets in little: a program of somebody's own, watched from
// outside, beside contenders that tell, in each activity and on a cluster.
func TestMatrix(t *testing.T) {
	needPackets(t)
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash to play a program of somebody's own")
	}
	// It gives up at the end of the stream and dials again.
	program := bash + ` -c 'while :; do exec 3<>/dev/tcp/$(echo {url} | sed "s|nats://||;s|:|/|") && ` +
		`echo "CONNECT {}" >&3 && cat <&3 >/dev/null; sleep 0.1; done'`
	var steps, done int
	var found Findings
	for _, m := range []Matrix{
		{Faults: []string{"kill"}, Brokers: []string{NATSServer}, Activities: []Activity{Receiving}},
		{Faults: []string{"power-off"}, Brokers: []string{NATSServer, NATSCluster}, Activities: Activities()},
	} {
		m.Quick, m.Contenders, m.Programs = true, []string{"vigil", "nats.go-1s"}, []string{program}
		m.Tell = func(p Progress) { done = p.Done }
		part, err := m.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := part.Verdict(); err != nil {
			t.Error(err)
		}
		steps += done
		found.Cells = append(found.Cells, part.Cells...)
		found.Skipped = append(found.Skipped, part.Skipped...)
	}
	if len(found.Skipped) > 0 {
		t.Logf("skipped: %q", found.Skipped)
	}
	const trials = 1 + 2*3
	if len(found.Cells)+3*len(found.Skipped) != 3*trials || steps != trials {
		t.Errorf("%d cells and %d steps, want %d and %d", len(found.Cells), steps, 3*trials, trials)
	}
	for _, c := range found.Cells {
		told := c.Fault == "kill" // the kernel tells everybody
		var ok bool
		switch c.Contender {
		case "vigil":
			ok = c.DetectedMS != nil
		case "nats.go-1s":
			ok = c.Activity == Publishing || c.DetectedMS != nil
		default:
			ok = told || c.DetectedMS == nil || *c.DetectedMS > c.FaultMS // it has nothing to notice with
		}
		if !ok || (c.PublishedLost != nil) != (c.Activity == Publishing && c.Contender != "program") {
			t.Errorf("%s on %s, %s, %s: %+v", c.Fault, c.Broker, c.Activity, c.Contender, c)
		}
	}
}

// The JavaScript client, as it is, is a contender on nats-server.
func TestNATSJS(t *testing.T) {
	needPackets(t)
	dir, err := natsjs.Install(t.Context())
	if errors.Is(err, errors.ErrUnsupported) && os.Getenv("VIGIL_REQUIRE_NODE") == "" {
		t.Skipf("UNSUPPORTED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	m := Matrix{
		Faults: []string{"kill", "power-off"}, Contenders: []string{"nats.js", "nats.js-1s", "vigil"}, NATSJS: dir,
		Quick: true, Activities: []Activity{Receiving}, Absent: []string{"somebody: away"},
	}
	found, err := m.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Failed) > 0 || !slices.Contains(found.Skipped, "somebody: away") {
		t.Errorf("failed %q, skipped %q", found.Failed, found.Skipped)
	}
	seen := 0
	for _, c := range found.Cells {
		if c.Contender == "vigil" {
			continue
		}
		if seen++; c.Broker != NATSServer {
			t.Errorf("on %s: %+v", c.Broker, c)
		}
		own := c.Fault == "power-off"
		switch {
		case own && c.Contender == "nats.js": // it takes minutes; then the host's return tells
			if c.DetectedMS != nil && *c.DetectedMS < c.FaultMS || c.ComputedMS == nil {
				t.Errorf("%+v", c)
			}
		case own:
			if c.DetectedMS == nil || *c.DetectedMS < 1900 || c.Cause != "stale connection" || !c.Resumed {
				t.Errorf("%+v", c)
			}
		case c.DetectedMS == nil || !c.Resumed:
			t.Errorf("%+v", c)
		}
		if c.FalseAlarms != 0 {
			t.Errorf("%+v", c)
		}
	}
	if seen != 2*2 && len(found.Skipped) == 1 {
		t.Errorf("%d cells of nats.js, want 4", seen)
	}
	m.NATSJS = ""
	if err := m.Check(); !errors.Is(err, errNoNATSJS) {
		t.Errorf("not installed: %v", err)
	}
	if m.Contenders = nil; m.Check() != nil {
		t.Error("by default it takes part only where it is installed")
	}
}

// A matrix that is broken off gives back what it has and leaves nothing behind;
// that no goroutine does is TestMain's to see, that no process does its parent's.
func TestMatrixInterrupted(t *testing.T) {
	needPackets(t)
	ctx, cancel := context.WithCancel(t.Context())
	m := Matrix{
		Faults: []string{"kill", "power-off"}, Contenders: []string{"none"}, Brokers: []string{Vigil}, Quick: true, Outage: time.Hour,
		Tell: func(p Progress) {
			if p.Done == 1 {
				cancel()
			}
		},
	}
	found, err := m.Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
	if len(found.Cells) != 1 || found.Cells[0].Fault != "kill" || len(found.Failed) > 0 {
		t.Errorf("found %+v", found)
	}
}
