package lab

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"vigil/internal/fault"
)

// crash is the moment to which the times of these tests count.
var crash = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func after(d time.Duration) time.Time { return crash.Add(d) }

// aFeed published one number a second from two seconds before the crash; those
// from the crash to ten seconds after were offered to no broker.
func aFeed() *feed {
	f := &feed{}
	for n := range 20 {
		at := after(time.Duration(n-2) * time.Second)
		f.published = append(f.published, publication{at, at.Before(crash) || !at.Before(after(10*time.Second))})
	}
	return f
}

func aRecord(t *testing.T, got ...int) *record {
	r := newRecord("vigil", func(text string, good bool) { t.Log(text, good) })
	for _, n := range got {
		r.got[n] = true
	}
	r.crashed, r.returned, r.last = crash, after(9*time.Second), after(-time.Second)
	return r
}

func TestMissed(t *testing.T) {
	all := []int{0, 1, 12, 13, 14, 15, 16, 17, 18, 19}
	end := after(time.Hour)
	for _, tc := range []struct {
		name              string
		got               []int
		windows           []window
		end               time.Time // of what brokers had taken
		missed, uncovered int
	}{
		{"all that a broker took arrived: what was offered to none is nobody's miss", all, nil, end, 0, -1},
		{"what was published before the first message was before it subscribed", all[1:], nil, end, 0, -1},
		{"two missed inside the window", []int{0, 1, 14, 15, 16, 17, 18, 19}, []window{{after(-time.Second), after(12 * time.Second)}}, end, 2, 0},
		{"one of two missed outside the window", []int{0, 1, 14, 15, 16, 17, 18, 19}, []window{{after(-time.Second), after(10500 * time.Millisecond)}}, end, 2, 1},
		{"missed just before the window counts as covered, for clocks' sake", []int{1, 12, 13, 14, 15, 16, 17, 19}, []window{{after(16*time.Second + clockSlack/2), after(17 * time.Second)}}, end, 1, 0},
		{"what came after the end does not count", []int{0, 1}, nil, after(11500 * time.Millisecond), 2, -1},
		{"received nothing at all: it never subscribed", nil, nil, end, 0, -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := aRecord(t, tc.got...)
			r.windows = tc.windows
			taken := slices.DeleteFunc(aFeed().taken(), func(t number) bool { return t.at.After(tc.end) })
			res := r.result(taken, contender{name: "vigil"}, tc.end)
			uncovered := -1
			if res.Uncovered != nil {
				uncovered = *res.Uncovered
			}
			if res.Missed != tc.missed || uncovered != tc.uncovered {
				t.Errorf("missed %d, uncovered %d; want %d, %d", res.Missed, uncovered, tc.missed, tc.uncovered)
			}
		})
	}
}

func TestResultTimes(t *testing.T) {
	r := aRecord(t, 0, 1)
	c := contender{name: "c", worst: 360 * time.Second, computed: "240–360 s"}
	end := after(20 * time.Second)

	taken := aFeed().taken()
	deaf := r.result(taken, c, end)
	if deaf.DetectedMS != nil || deaf.Resumed || *deaf.DeafMS != 21000 || *deaf.ComputedMS != 360000 {
		t.Errorf("a deaf contender: %+v", deaf)
	}
	if s := deaf.account(); !strings.Contains(s, "still deaf at the end of the run") || !strings.Contains(s, "240–360 s (computed)") {
		t.Errorf("a deaf contender: %q", s)
	}

	r.lost, r.loss = after(15*time.Second), loss{cause: "reset"}
	late := r.result(taken, c, end)
	if *late.DetectedMS != 15000 || late.ComputedMS == nil || !strings.Contains(late.account(), "reset; the new host told it") {
		t.Errorf("one that the new host's RST told: %+v, %s", late, late.account())
	}
	r.loss = loss{cause: "stale", own: true}
	if own := r.result(taken, c, end); own.ComputedMS != nil || own.account() != "stale; not connected again at the end of the run" {
		t.Errorf("one that noticed by itself, though the host was back: %+v, %s", own, own.account())
	}

	r.lost, r.connected, r.resumed = after(21*time.Second), after(22*time.Second), after(23*time.Second)
	if afterwards := r.result(taken, c, end); afterwards.DetectedMS != nil || afterwards.Cause != "" || afterwards.ReconnectedMS != nil ||
		afterwards.Resumed || afterwards.ResumedMS != nil || *afterwards.DeafMS != 21000 || afterwards.ComputedMS == nil {
		t.Errorf("what happened behind the end of the run: %+v", afterwards)
	}

	r.lost, r.loss = after(2*time.Second), loss{cause: "stale", silence: 1799*time.Millisecond + time.Microsecond, own: true}
	r.connected, r.resumed = after(10*time.Second), after(11*time.Second)
	good := r.result(taken, c, end)
	if *good.DetectedMS != 2000 || good.ComputedMS != nil || *good.SilenceMS != 1800 ||
		*good.ReconnectedMS != 10000 || *good.ResumedMS != 11000 || *good.DeafMS != 12000 {
		t.Errorf("one that noticed by itself: %+v", good)
	}
}

// The verdict is what the exit status rests on: it must be able to fail.
func TestVerdict(t *testing.T) {
	kept := func() Result {
		return Result{Contender: "vigil", Broker: Vigil, DetectedMS: new(int64(1803)), SilenceMS: new(int64(1801)), Resumed: true, Uncovered: new(0)}
	}
	with := func(change func(*Result)) Result {
		r := kept()
		change(&r)
		return r
	}
	for _, tc := range []struct {
		name    string
		results []Result
		wrong   string // "" when the verdict is good
	}{
		{"kept", []Result{kept(), kept()}, ""},
		{"the others are not judged", []Result{kept(), {Contender: "nats.go"}}, ""},
		{"did not take part", []Result{{Contender: "nats.go"}}, "did not take part"},
		{"never noticed", []Result{kept(), with(func(r *Result) { r.DetectedMS = nil })}, "did not notice"},
		{"too late", []Result{with(func(r *Result) { r.SilenceMS = new(int64(2001)) })}, "2001 ms"},
		{"says so, but was silent for longer", []Result{with(func(r *Result) { r.DetectedMS = new(int64(5000)) })}, "noticed 5s after"},
		{"too late by the lab's clock for a last message before the crash", []Result{with(func(r *Result) { r.DeafFrom = -time.Second })}, "noticed 2.803s after"},
		{"just in time", []Result{with(func(r *Result) { r.SilenceMS = new(int64(2000)) })}, ""},
		{"not resumed", []Result{with(func(r *Result) { r.Resumed = false })}, "did not receive again"},
		{"no window", []Result{with(func(r *Result) { r.Uncovered = nil })}, "no deaf window"},
		{"uncovered", []Result{with(func(r *Result) { r.Uncovered = new(3) })}, "3 missed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := Verdict(tc.results)
			if (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("verdict %v, want %q", err, tc.wrong)
			}
		})
	}
}

// Programs read these lines.
func TestWriteJSON(t *testing.T) {
	var out strings.Builder
	err := WriteJSON(&out, []Result{
		{Broker: Vigil, Fault: FaultCrash, Mode: fault.PacketsDropped, Contender: "vigil", DetectedMS: new(int64(1843)),
			Cause: "stale: <gone>", ReconnectedMS: new(int64(21100)), Resumed: true, ResumedMS: new(int64(21200)),
			Missed: 7, DeafMS: new(int64(21204)), Uncovered: new(0), SilenceMS: new(int64(1801))},
		{Broker: NATSServer, Fault: FaultCrash, Mode: fault.Proxied, Contender: "nats.go", DeafMS: new(int64(9)), ComputedMS: new(int64(360000))},
	})
	want := `{"broker":"vigil","fault":"crash-fin-lost","mode":"packets-dropped","contender":"vigil","detected_ms":1843,"cause":"stale: <gone>","reconnected_ms":21100,"resumed":true,"resumed_ms":21200,"missed":7,"deaf_ms":21204,"computed_ms":null,"uncovered":0,"silence_ms":1801}
{"broker":"nats-server","fault":"crash-fin-lost","mode":"proxy","contender":"nats.go","detected_ms":null,"cause":"","reconnected_ms":null,"resumed":false,"resumed_ms":null,"missed":0,"deaf_ms":9,"computed_ms":360000,"uncovered":null,"silence_ms":null}
`
	if err != nil || out.String() != want {
		t.Errorf("error %v, got\n%swant\n%s", err, out.String(), want)
	}
}

func TestWriteTable(t *testing.T) {
	var out strings.Builder
	WriteTable(&out, []Result{
		{Broker: Vigil, Contender: "vigil", DetectedMS: new(int64(1801)), Cause: "stale: host or network gone", Resumed: true,
			ReconnectedMS: new(int64(21005)), ResumedMS: new(int64(21010)), Missed: 1, DeafFrom: -time.Microsecond, DeafTo: 21010 * time.Millisecond,
			DeafMS: new(int64(21010))},
		{Broker: NATSServer, Contender: "nats.go", Missed: 900, DeafFrom: -3 * time.Millisecond, ComputedMS: new(int64(360000)), Computed: "240–360 s"},
	}, fault.PacketsDropped, 80)
	for _, want := range []string{
		"1.801 s", "stale: host or network gone", "21.005 s", "21.010 s", "0.000 – 21.010 s",
		"still deaf", "240–360 s", "(computed)", "-0.003 s – end of run", "900",
		"Mode packets-dropped", "7875 s (computed)", "PING after 10 s",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if n := text.StringWidthWithoutEscSequences(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("a line of %d characters on a terminal of 80: %s", n, line)
		}
	}
	if strings.Contains(out.String(), "-0.000") {
		t.Errorf("the table has a negative zero:\n%s", out.String())
	}
}
