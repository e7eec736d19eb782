package heartbeat

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write the traces seen into testdata/*.txt")

// TestScripts runs the golden time lines of testdata. A script is made of
// comments (#), which say what it proves, and of blocks: commands, a line of
// dashes, the trace they must leave, an empty line.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(want))
			if *rewrite {
				err = os.WriteFile(file, got, 0o644)
			} else if !bytes.Equal(got, want) {
				t.Errorf("the trace differs (go test -rewrite accepts it); got:\n%s", got)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// replay runs the commands of a script and returns the script with the traces
// that they left.
func replay(t *testing.T, script string) []byte {
	var r scriptRun
	trace := false // inside the expected trace, which is replaced
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "----":
			trace = true
			fmt.Fprintf(&r.out, "----\n%s", r.trace.String())
			r.trace.Reset()
		case line == "":
			trace = false
			r.out.WriteString("\n")
		case trace:
		default:
			r.out.WriteString(line + "\n")
			if !strings.HasPrefix(line, "#") {
				r.command(t, strings.Fields(line))
			}
		}
	}
	return r.out.Bytes()
}

// scriptRun is the state of a script: a detector and the virtual time since the
// epoch below.
type scriptRun struct {
	d          Schedule
	now        time.Duration
	out, trace bytes.Buffer
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// command runs one of
//
//	new lesson | new within=2s [burst=0s] | new idle=10s interval=3s probes=3
//	heard 1.2s                          a byte arrives at 1.2 s
//	hint 1.2s                           something speaks against the peer
//	resumed 1.2s                        our machine slept until 1.2 s
//	step 3s                             Step is called at 3 s
//	run until=20s [late=0s] [rtt=0s]    Step is called at Next (+ late); with rtt each probe is answered
//	pause 5s                            nothing is called for 5 s
//	evidence
func (r *scriptRun) command(t *testing.T, args []string) {
	opts := options(t, args[1:])
	switch args[0] {
	case "new":
		r.create(t, opts)
	case "heard":
		r.now = duration(t, args[1])
		r.heard()
	case "hint":
		r.now = duration(t, args[1])
		r.d.Hint(epoch.Add(r.now))
		r.logf("hint          %-8v next %v", r.d.State(), since(r.d.Next()))
	case "resumed":
		r.now = duration(t, args[1])
		r.d.Resumed(epoch.Add(r.now))
		r.logf("resumed       %-8v next %v", r.d.State(), since(r.d.Next()))
	case "step":
		r.now = duration(t, args[1])
		r.step()
	case "run":
		r.run(opts["until"], opts["late"], opts["rtt"])
	case "pause":
		r.now += duration(t, args[1])
		r.logf("(%v without a call)", duration(t, args[1]))
	case "evidence":
		e := r.d.Evidence(epoch.Add(r.now))
		probes := "no probe"
		if e.Probes > 0 {
			probes = fmt.Sprintf("probes %d (%v to %v)", e.Probes, since(e.FirstProbe), since(e.LastProbe))
		}
		r.logf("heard %v, silence %v, %s, pauses %d, late %v", since(e.LastHeard), e.Silence, probes, e.Pauses, e.Late)
	default:
		t.Fatalf("unknown command %q", args[0])
	}
}

func (r *scriptRun) create(t *testing.T, opts map[string]time.Duration) {
	cfg := Config{Idle: opts["idle"], Interval: opts["interval"], Probes: int(opts["probes"])}
	if d, ok := opts["within"]; ok {
		cfg = Within(d)
	} else if _, ok := opts["lesson"]; ok {
		cfg = Lesson()
	}
	if d, ok := opts["burst"]; ok {
		cfg.Burst = d
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	r.now = 0
	r.d = NewSchedule(cfg, epoch)
	burst := ""
	if cfg.Burst > 0 {
		burst = fmt.Sprintf(", burst %v", cfg.Burst)
	}
	r.logf("new, idle %v, interval %v, probes %d%s, bound %v", cfg.Idle, cfg.Interval, cfg.Probes, burst, cfg.Bound())
}

// run calls Step each late after Next, and Heard each rtt after a probe, until
// the time is up or the peer dead.
func (r *scriptRun) run(until, late, rtt time.Duration) {
	answer := time.Duration(-1)
	for r.d.State() != StateDead {
		next := since(r.d.Next()) + late
		if answer >= 0 && answer <= next && answer <= until {
			r.now, answer = answer, -1
			r.heard()
			continue
		}
		if next > until {
			r.now = until
			return
		}
		r.now = max(r.now, next)
		if r.step() == Probe && rtt > 0 && answer < 0 {
			answer = r.now + rtt
		}
	}
}

func (r *scriptRun) heard() {
	r.d.Heard(epoch.Add(r.now))
	r.logf("heard         %-8v next %v", r.d.State(), since(r.d.Next()))
}

func (r *scriptRun) step() Action {
	a := r.d.Step(epoch.Add(r.now))
	r.logf("step   %-6v %-8v next %v", a, r.d.State(), since(r.d.Next()))
	return a
}

func (r *scriptRun) logf(format string, args ...any) {
	fmt.Fprintf(&r.trace, "%7v  "+format+"\n", append([]any{r.now}, args...)...)
}

// since returns t as a span since the epoch.
func since(t time.Time) time.Duration { return t.Sub(epoch) }

func duration(t *testing.T, s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// options parses name=duration arguments; probes is a plain number, and a name
// without a value is zero.
func options(t *testing.T, args []string) map[string]time.Duration {
	opts := make(map[string]time.Duration)
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		switch {
		case name == "probes":
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			opts[name] = time.Duration(n)
		case ok:
			opts[name] = duration(t, value)
		default:
			opts[name] = 0
		}
	}
	return opts
}
