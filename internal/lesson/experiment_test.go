package lesson

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// Both experiments, over real sockets, in a tenth of the time.
func TestExperiments(t *testing.T) {
	t.Parallel()
	beside(t, []time.Duration{LongSleep, ShortSleep}, func(t *testing.T, sleep time.Duration) {
		var lines []string
		e := Experiment{Sleep: sleep, Scale: 0.1, Tell: func(l Line) { lines = append(lines, fmt.Sprint(l.Who, ": ", l.Text)) }}
		o, err := e.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Verdict(); err != nil {
			t.Errorf("%v: %+v\n%s", err, o, strings.Join(lines, "\n"))
		}
		if o.ProcessedMS == nil || *o.ProcessedMS <= 0 || *o.ProcessedMS > o.DueMS {
			t.Errorf("the second client's message took %v ms", o.ProcessedMS)
		}
		if o.Dead != (sleep == LongSleep) || !slices.Contains(lines, "server: process MSG_TYPE1, of the second client") {
			t.Errorf("%+v\n%s", o, strings.Join(lines, "\n"))
		}
	})
}

// beside runs a subtest for each of some sleeps, side by side however few processors
// there are: what they do is wait.
func beside(t *testing.T, sleeps []time.Duration, test func(t *testing.T, sleep time.Duration)) {
	var running sync.WaitGroup
	defer running.Wait()
	for _, sleep := range sleeps {
		running.Go(func() { t.Run(sleep.String(), func(t *testing.T) { test(t, sleep) }) })
	}
}

// A verdict that cannot be negative is none.
func TestVerdicts(t *testing.T) {
	at := func(ms float64) *float64 { return &ms }
	dead := Outcome{SleepS: 60, Scale: 1, Heartbeats: 3, Dead: true, DeadAfterMS: at(19000), DueMS: 19000, ProcessedMS: at(1)}
	alive := Outcome{SleepS: 5, Scale: 1, Heartbeats: 4, Answers: 4, DueMS: 19000, ProcessedMS: at(1)}
	for name, tc := range map[string]struct {
		change func() Outcome
		good   bool
	}{
		"dead":             {func() Outcome { return dead }, true},
		"alive":            {func() Outcome { return alive }, true},
		"too few asked":    {func() Outcome { o := dead; o.Heartbeats = 2; return o }, false},
		"answered":         {func() Outcome { o := dead; o.Answers = 1; return o }, false},
		"not given up":     {func() Outcome { o := dead; o.Dead = false; return o }, false},
		"too soon":         {func() Outcome { o := dead; o.DeadAfterMS = at(18000); return o }, false},
		"given up":         {func() Outcome { o := alive; o.Dead = true; return o }, false},
		"held up":          {func() Outcome { o := alive; o.ProcessedMS = nil; return o }, false},
		"asked anew":       {func() Outcome { o := dead; o.Heartbeats, o.Pauses = 5, 1; return o }, true},
		"anew but alive":   {func() Outcome { o := dead; o.Dead, o.Pauses = false, 1; return o }, false},
		"anew, given up":   {func() Outcome { o := alive; o.Dead, o.Pauses = true, 1; return o }, false},
		"anew but held up": {func() Outcome { o := dead; o.Pauses, o.ProcessedMS = 1, nil; return o }, false},
	} {
		if err := tc.change().Verdict(); (err == nil) != tc.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// One behind the other, since a process has one switch at a time; beside the tests
// that need none.
func TestOnHosts(t *testing.T) {
	t.Parallel()
	needHosts(t)
	t.Run("keep-alive", testKeepAlive)
	t.Run("datagrams", testDatagrams)
	t.Run("probes", testProbes)
}

func testKeepAlive(t *testing.T) {
	found, err := KeepAlive{Idle: time.Second, Interval: time.Second, Count: 2}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := found.Verdict(); err != nil {
		t.Errorf("%v: %+v", err, found.Cases)
	}
	if len(found.Cases) != 4 || found.Bound() != 3*time.Second || found.System.Idle == 0 {
		t.Errorf("%+v", found)
	}
	for _, bad := range []KeepAlive{{Idle: time.Millisecond}, {Interval: 1500 * time.Millisecond}, {Count: 128}, {Count: -1}, {Idle: 40000 * time.Second}} {
		if err := bad.Validate(); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func testDatagrams(t *testing.T) {
	found, err := Datagrams{}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := DatagramVerdict(found); err != nil {
		t.Errorf("%v: %+v", err, found)
	}
	if len(found) != 3 || found[0].Socket != "" || found[1].Socket != "connection refused" || found[2].Socket != "" {
		t.Errorf("%+v", found)
	}
	found[0].DetectedMS = found[2].DetectedMS
	if DatagramVerdict(found) == nil {
		t.Error("a peer that lives may be given up")
	}
}

func testProbes(t *testing.T) {
	found, err := Probes{Loss: []float64{0, 0.3}, Count: 1500}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := found.Verdict(); err != nil {
		t.Errorf("%v: %+v", err, found.Links)
	}
	// 0.51 of 1500: six standard deviations are 0.08.
	if got := found.Links[1].Mistaken[0]; math.Abs(got-0.51) > 0.08 {
		t.Errorf("%.3f unanswered, want 0.51", got)
	}
	// A question and its answer at least, with the headers of Ethernet, IPv4 and TCP.
	const headers = 14 + 20 + 20
	costs := found.Costs
	if len(costs) != 3 || costs[0].Frames < 2 || costs[0].Frames > 6 || costs[0].Wire < 2*(MessageSize+headers) || costs[1].Wire > costs[0].Wire/4 {
		t.Errorf("%+v", costs)
	}
	for _, bad := range []Probes{{Loss: []float64{1}}, {Loss: []float64{-0.1}}, {Loss: []float64{math.NaN()}}, {Count: 1}, {Count: 1 << 30}} {
		if err := bad.Validate(); err == nil {
			t.Errorf("%+v are taken", bad)
		}
	}
}

// What is counted, and what is not.
func TestTally(t *testing.T) {
	var answered []bool
	for _, c := range "aa.a...aa.....a" {
		answered = append(answered, c == 'a')
	}
	l := tally(0.5, answered)
	// Runs of silence of 1, 3 and 5.
	if l.Probes != 15 || l.Lost != 9 || l.Mistaken != [4]float64{9. / 15, 6. / 14, 4. / 13, 2. / 12} || l.Computed != [4]float64{.75, .5625, .421875, .31640625} {
		t.Errorf("%+v", l)
	}
	// A link that loses all, and one that loses in bursts, are none that lose a
	// fifth at random.
	lost := make([]bool, 4000)
	bursts := make([]bool, 4000)
	for k := range bursts {
		bursts[k] = k%100 >= 36
	}
	for name, answered := range map[string][]bool{"all": lost, "bursts": bursts} {
		if err := (ProbeFindings{Links: []LossyLink{tally(0.2, answered)}}).Verdict(); err == nil {
			t.Errorf("%s: no word", name)
		}
	}
}

// What is written says what was found, and fits a terminal of 80.
func TestReports(t *testing.T) {
	ms := func(x float64) *float64 { return &x }
	for name, tc := range map[string]struct {
		write func(w io.Writer, width int)
		words []string
	}{
		"outcomes": {func(w io.Writer, width int) {
			WriteOutcomes(w, []Outcome{
				{SleepS: 60, Scale: 1, Heartbeats: 3, Dead: true, DeadAfterMS: ms(19000), DueMS: 19000, ProcessedMS: ms(0.26), Bytes: 3084},
				{SleepS: 5, Scale: 0.1, Heartbeats: 4, Answers: 4, Bytes: 8224},
			}, width)
		}, []string{"sleeps for 60.00 s: 3 heartbeats, 0 answers", "given up 19.00 s behind", "within 0.3 ms", "sleeps for 500 ms", "the connection lives"}},
		"keep-alive": {func(w io.Writer, width int) {
			WriteKeepAlive(w, KeepAliveFindings{KeepAlive: KeepAlive{Idle: 2 * time.Second, Interval: time.Second, Count: 3}, Cases: []KeepAliveCase{
				{Case: "the peer is well", Sent: 3, Received: 3},
				{Case: "the peer has rebooted", Result: "connection reset by peer", AfterMS: ms(2010), ComputedMS: ms(2000), Sent: 1, Received: 1},
				{Case: "the peer cannot be reached", Result: "connection timed out", AfterMS: ms(5080), ComputedMS: ms(5000), Sent: 4},
				{Case: "the same, and something is unacknowledged", ComputedMS: ms(924600), Sent: 7},
			}, System: KeepAlive{Idle: 2 * time.Hour, Interval: 75 * time.Second, Count: 9}}, width)
		}, []string{"nothing: it waits", "connection reset", "connection timed", "924.60 s", "7200 s + 9 × 75 s = 7875 s", "2 h 11 min 15 s"}},
		"datagrams": {func(w io.Writer, width int) {
			WriteDatagrams(w, []DatagramCase{
				{Case: "the peer is well", BoundMS: 1800},
				{Case: "its process has ended", Socket: "connection refused", SocketMS: ms(0.2), DetectedMS: ms(1500), BoundMS: 1800},
				{Case: "its host has vanished", DetectedMS: ms(1800), BoundMS: 1800},
			}, width)
		}, []string{"nothing", "connection refused", "0.2 ms", "1.50 s"}},
		"probes": {func(w io.Writer, width int) {
			WriteProbes(w, ProbeFindings{
				Links: []LossyLink{{Loss: 0.1, Probes: 1_000_000, Mistaken: [4]float64{.189, .0368, .00786, .00215}, Computed: [4]float64{.19, .0361, .00686, .0013}}},
				Costs: []Cost{{Heartbeat: "NATS' PING, Vigil's default", Bytes: 1028, Frames: 3, Wire: 2254, EveryS: 0.9, BytesPerS: 2504.4}},
			}, width)
		}, []string{"18.9 %", "3.61 %", "0.215 %", "2254", "0.9 s", "2504", "2.004 %"}},
	} {
		for _, width := range []int{0, 80} {
			var out strings.Builder
			tc.write(&out, width)
			for _, words := range tc.words {
				if !strings.Contains(strings.ReplaceAll(out.String(), "\n", " "), words) {
					t.Errorf("%s: no %q in\n%s", name, words, &out)
				}
			}
			for line := range strings.Lines(out.String()) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
					t.Errorf("%s: %d characters wide: %s", name, n, line)
				}
			}
		}
	}
}

func TestColumns(t *testing.T) {
	lines := []Line{{1500 * time.Millisecond, "client", "sending heartbeat #1"}, {2 * time.Second, "server", "received 1028 bytes"}}
	for width, want := range map[int]string{
		0: "           one                                                 two\n" +
			"   1.50 s  client  sending heartbeat #1\n" +
			"   2.00 s                                                      server  received 1028 bytes\n",
		80: "   1.50 s  [one] client  sending heartbeat #1\n" +
			"   2.00 s  [two] server  received 1028 bytes\n",
	} {
		var out strings.Builder
		c := NewColumns(&out, width, "one", "two")
		c.Tell(0, lines[0])
		c.Tell(1, lines[1])
		if out.String() != want {
			t.Errorf("width %d:\n%s\nwant\n%s", width, &out, want)
		}
	}
}

// compile makes a program of a C file, where a second of the lesson takes 200 ms.
func compile(t *testing.T, name string) (path string) {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI is set, but: %v", err)
		}
		t.Skipf("UNSUPPORTED: programs in C: %v", err)
	}
	path = filepath.Join(t.TempDir(), name)
	out, err := exec.Command(cc, "-Wall", "-Wextra", "-DSECOND=200", "-o", path, filepath.Join("testdata", name+".c")).CombinedOutput()
	if err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	return path
}

const scaleOfC = 0.2

// collector gathers lines from several goroutines.
type collector struct {
	mu    sync.Mutex
	lines []string
}

func (c *collector) say(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, text)
}

func (c *collector) count(text string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lines {
		if l == text {
			n++
		}
	}
	return n
}

// Our client and a server in C, and the other way round, that sleeps too long, or
// not too long.
func TestInC(t *testing.T) {
	t.Parallel()
	server, client := compile(t, "server"), compile(t, "client")
	sleeps := []time.Duration{LongSleep, ShortSleep}
	var both sync.WaitGroup
	defer both.Wait()
	both.Go(func() {
		t.Run("server", func(t *testing.T) {
			beside(t, sleeps, func(t *testing.T, sleep time.Duration) { testServerInC(t, server, sleep) })
		})
	})
	both.Go(func() {
		t.Run("client", func(t *testing.T) {
			beside(t, sleeps, func(t *testing.T, sleep time.Duration) { testClientInC(t, client, sleep) })
		})
	})
}

func testServerInC(t *testing.T, server string, sleep time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, server, fmt.Sprint(sleep.Seconds()))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cancel()
	var port int
	if _, err := fmt.Fscan(out, &port); err != nil {
		t.Fatal(err)
	}
	var heard collector
	living, enough := context.WithCancel(ctx)
	defer enough()
	client := Client{Scale: scaleOfC, Say: func(text string) {
		if heard.say(text); heard.count(saysAnswer) == answersOfTwoRounds {
			enough()
		}
	}}
	err = client.Run(living, fmt.Sprintf("127.0.0.1:%d", port))
	if _, dead := errors.AsType[*DeadError](err); dead != (sleep == LongSleep) {
		t.Errorf("%v: %q", err, heard.lines)
	}
	if got := heard.count(saysAnswer); sleep == ShortSleep && got != answersOfTwoRounds || sleep == LongSleep && got != 0 {
		t.Errorf("%d answers: %q", got, heard.lines)
	}
}

func testClientInC(t *testing.T, client string, sleep time.Duration) {
	address, stop := serve(t, Server{Sleep: sleep, Scale: scaleOfC})
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	host, port, _ := strings.Cut(address, ":")
	cmd := exec.CommandContext(ctx, client, host, port)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	dead, answers := false, 0
	for lines := bufio.NewScanner(out); answers < answersOfTwoRounds && lines.Scan(); {
		said = append(said, lines.Text())
		dead = dead || lines.Text() == "connection dead"
		if lines.Text() == saysAnswer {
			answers++
		}
	}
	cancel()
	cmd.Wait()
	if sleep == LongSleep && (!dead || answers != 0) || sleep == ShortSleep && (dead || answers < answersOfTwoRounds) {
		t.Errorf("%q", said)
	}
}
