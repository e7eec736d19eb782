package lab

import (
	"fmt"
	"testing"
	"time"
)

// script makes a protocol by hand: the fault is at 10 s and over at 20 s, the run
// ends at 30 s, and a message is published and taken every 100 ms from 5 s on.
type script struct {
	fault  string
	events []event
	taken  []number
}

var scriptStart = time.Unix(1_000_000, 0)

func at(seconds float64) time.Time {
	return scriptStart.Add(time.Duration(seconds * float64(time.Second)))
}

const (
	scriptFrom  = 5.0
	scriptFault = 10.0
	scriptOver  = 20.0
	scriptEnd   = 30.0
)

// newScript lets a contender receive all that is published outside the spans in
// which it is deaf.
func newScript(fault string, deaf ...[2]float64) *script {
	s := &script{fault: fault}
	for n := 0; ; n++ {
		t := scriptFrom + float64(n)/10
		if t >= scriptEnd {
			return s
		}
		s.taken = append(s.taken, number{n, at(t)})
		heard := true
		for _, d := range deaf {
			heard = heard && (t < d[0] || t >= d[1])
		}
		if heard {
			s.events = append(s.events, event{At: at(t + 0.001).UnixNano(), Kind: eventReceived, N: n})
		}
	}
}

func (s *script) lost(t float64, cause string, silence time.Duration) *script {
	s.events = append(s.events, event{At: at(t).UnixNano(), Kind: eventLost, Cause: cause, Silence: int64(silence), Own: silence > 0})
	return s
}

func (s *script) connected(t float64) *script {
	s.events = append(s.events, event{At: at(t).UnixNano(), Kind: eventConnected})
	return s
}

func (s *script) claims(told, from, to float64) *script {
	s.events = append(s.events, event{At: at(told).UnixNano(), Kind: eventDeaf, From: at(from).UnixNano(), To: at(to).UnixNano()})
	return s
}

func (s *script) judge(name string) Cell {
	p := protocol{
		contender: contender{name: name, worst: 6 * time.Minute}, way: wayNamed(s.fault), activity: Receiving,
		latest: 6 * time.Minute, latestKnown: true,
		events: s.events, taken: s.taken, began: at(scriptFault), ended: at(scriptOver), end: at(scriptEnd),
	}
	c := p.judge()
	c.Broken = c.broken()
	return c
}

const gone = "stale: host or network gone (last heard 1.8 s ago, 3 probes unanswered)"

// The judge has to be judged: contenders that are honest, deaf, hysterical or
// liars, and what must be said of each. All go by the name whose promises are
// watched.
func TestJudge(t *testing.T) {
	const silence = 1800 * time.Millisecond
	tests := []struct {
		name   string
		script *script
		want   string
	}{
		{"honest", newScript("power-off", [2]float64{10, 20.5}).lost(11.8, gone, silence).connected(20.4).claims(20.45, 9.9, 20.45),
			"detected 1800 right true false 0 resumed true deaf 10600 missed 105 uncovered 0 contradicted 0 reported 10550 computed - broken "},
		{"never notices", newScript("power-off", [2]float64{10, 30}),
			"detected - right - false 0 resumed false deaf 20099 missed 200 uncovered - contradicted - reported - computed 360000 broken did not notice"},
		{"notices late", newScript("power-off", [2]float64{10, 25}).lost(14, gone, 4*time.Second).connected(24.9).claims(24.95, 9.9, 24.95),
			"detected 4000 right true false 0 resumed true deaf 15100 missed 150 uncovered 0 contradicted 0 reported 15050 computed - broken noticed after 4000 ms of silence, later than the promised 2s"},
		{"notices late and says it was in time", newScript("power-off", [2]float64{10, 25}).lost(15, gone, silence).connected(24.9).claims(24.95, 9.9, 24.95),
			"detected 5000 right true false 0 resumed true deaf 15100 missed 150 uncovered 0 contradicted 0 reported 15050 computed - broken noticed 5s after the fault and its last message"},
		{"wrong cause", newScript("power-off", [2]float64{10, 20.5}).lost(11.8, "stale: process frozen", silence).connected(20.4).claims(20.45, 9.9, 20.45),
			"detected 1800 right false false 0 resumed true deaf 10600 missed 105 uncovered 0 contradicted 0 reported 10550 computed - broken "},
		{"told by the new host", newScript("power-off", [2]float64{10, 21}).lost(20.1, "connection reset by peer", 0).connected(20.9),
			"detected 10100 right - false 0 resumed true deaf 11100 missed 110 uncovered - contradicted - reported - computed 360000 broken noticed 10.1s after the fault and its last message"},
		{"cries wolf", newScript("cut-300ms").lost(11, gone, silence).connected(11.1).claims(11.1, 10.9, 11.1),
			"detected 1000 right - false 1 resumed true deaf 0 missed 0 uncovered 0 contradicted 0 reported 200 computed - broken 1 false alarms"},
		{"cries wolf before the fault", newScript("power-off", [2]float64{10, 20.5}).lost(7, gone, silence).connected(7.1).lost(11.8, gone, silence).connected(20.4).claims(20.45, 9.9, 20.45),
			"detected 1800 right true false 1 resumed true deaf 10600 missed 105 uncovered 0 contradicted 0 reported 10550 computed - broken 1 false alarms"},
		{"cries wolf behind the fault", newScript("power-off", [2]float64{10, 20.5}).lost(11.8, gone, silence).connected(20.4).claims(20.45, 9.9, 20.45).lost(25, gone, silence),
			"detected 1800 right true false 1 resumed true deaf 10600 missed 105 uncovered 0 contradicted 0 reported 10550 computed - broken 1 false alarms"},
		{"ended by the broker", newScript("congested").lost(11, "EOF", 0).connected(11.1),
			"detected 1000 right - false 0 resumed true deaf 0 missed 0 uncovered - contradicted - reported - computed - broken "},
		{"quiet, and right", newScript("cut-300ms"),
			"detected - right - false 0 resumed true deaf 0 missed 0 uncovered - contradicted - reported - computed - broken "},
		{"false alarm where nobody can promise none", newScript("loss-20").lost(11, gone, silence).connected(11.1).claims(11.1, 10.9, 11.1),
			"detected 1000 right - false 1 resumed true deaf 0 missed 0 uncovered 0 contradicted 0 reported 200 computed - broken "},
		{"its window is too short", newScript("power-off", [2]float64{10, 20.5}).lost(11.8, gone, silence).connected(20.4).claims(20.45, 15, 20.45),
			"detected 1800 right true false 0 resumed true deaf 10600 missed 105 uncovered 48 contradicted 0 reported 5450 computed - broken 48 missed messages lie outside the deaf windows it reported"},
		{"its window is too long", newScript("power-off", [2]float64{10, 20.5}).lost(11.8, gone, silence).connected(20.4).claims(20.45, 6, 20.45),
			"detected 1800 right true false 0 resumed true deaf 10600 missed 105 uncovered 0 contradicted 37 reported 14450 computed - broken 37 messages came while it says that it was deaf"},
		{"missed and says nothing", newScript("cut-300ms", [2]float64{10, 13}),
			"detected - right - false 0 resumed true deaf 3100 missed 30 uncovered - contradicted - reported - computed - broken missed 30 messages and reported no deaf window"},
		{"deaf for ever", newScript("cut", [2]float64{10, 30}).lost(11.8, gone, silence),
			"detected 1800 right true false 0 resumed false deaf 20099 missed 200 uncovered - contradicted - reported - computed - broken did not receive again"},
		{"what comes later does not count", newScript("power-off", [2]float64{10, 20.5}).lost(11.8, gone, silence).connected(20.4).claims(20.45, 9.9, 20.45).lost(31, gone, silence),
			"detected 1800 right true false 0 resumed true deaf 10600 missed 105 uncovered 0 contradicted 0 reported 10550 computed - broken "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.script.judge("vigil")
			got := fmt.Sprintf("detected %s right %s false %d resumed %v deaf %s missed %d uncovered %s contradicted %s reported %s computed %s broken %s",
				show(c.DetectedMS), show(c.CauseRight), c.FalseAlarms, c.Resumed, show(c.DeafMS), c.Missed,
				show(c.Uncovered), show(c.Contradicted), show(c.DeafReportedMS), show(c.ComputedMS), c.Broken)
			if got != tt.want {
				t.Errorf("judged\n\t%s, want\n\t%s", got, tt.want)
			}
			if other := tt.script.judge("nats.go"); other.Broken != "" {
				t.Errorf("others make no promises, but: %s", other.Broken)
			}
		})
	}
}

func show[T any](v *T) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprint(*v)
}
