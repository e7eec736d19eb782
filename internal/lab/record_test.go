package lab

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// What an old broker had sent may be read late: only the new one's numbers say
// that a contender receives again.
func TestRecordResumes(t *testing.T) {
	var told []string
	r := newRecord("c", func(text string, _ bool) { told = append(told, text) })
	r.received(1)
	r.noticed(loss{cause: "before the crash: no news of it"})
	r.crash(time.Now())
	r.noticed(loss{cause: "first", own: true})
	r.noticed(loss{cause: "second"})
	r.reconnected("too early: the host is away")
	r.comeBack(time.Now(), 10)
	r.received(9)
	if r.isResumed() || !r.connected.IsZero() || r.loss.cause != "first" {
		t.Errorf("resumed %v, connected %v, lost by %q", r.isResumed(), r.connected, r.loss.cause)
	}
	last := r.last
	r.reconnected("reconnected")
	r.received(10)
	r.received(11)
	if !r.isResumed() || r.connected.IsZero() || r.last != last {
		t.Errorf("resumed %v, connected %v, last %v and then %v", r.isResumed(), r.connected, last, r.last)
	}
	if n := len(told); told[n-2] != "reconnected" || told[n-1] != "receives again" {
		t.Errorf("told %q", told)
	}
}

// What happened before the end is told, however slow Tell is; what comes later
// is not waited for.
func TestTellAll(t *testing.T) {
	lines, over := make(chan Line, backlog), make(chan struct{})
	var got []string
	i := Incident{Tell: func(l Line) { got = append(got, l.Text) }}
	s := &scene{lines: lines, left: make(chan struct{})}
	want := []string{"one", "two", "three"}
	for _, text := range want {
		s.tell(Line{Text: text})
	}
	close(s.left)
	s.tell(Line{Text: "last words"})
	close(over)
	i.tellAll(lines, over)
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// A contender that receives again gets the time to catch up, and nobody waits
// for one that is deaf.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := newRecord("deaf", func(string, bool) {})
		late := newRecord("late", func(string, bool) {})
		late.comeBack(time.Now(), 0)
		late.received(0)
		s := &scene{records: []*record{deaf, late}}
		settled := false
		go func() { s.settle(t.Context(), []number{{n: 0}, {n: 1}}); settled = true }()
		synctest.Wait()
		if settled {
			t.Error("settled before the last number came")
		}
		late.received(1)
		synctest.Wait()
		if !settled {
			t.Error("not settled when all had come")
		}
	})
}
