package lab

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"vigil/internal/fault"
)

// handled returns a crew that did the given numbers, in lines cut anywhere.
func handled(t *testing.T, numbers ...int) *crew {
	t.Helper()
	c := newCrew(2)
	var text strings.Builder
	for _, n := range numbers {
		fmt.Fprintln(&text, n)
	}
	w := c.report(1)
	for s := text.String(); s != ""; {
		n := min(3, len(s))
		if _, err := io.WriteString(w, s[:n]); err != nil {
			t.Fatal(err)
		}
		s = s[n:]
	}
	return c
}

// What was taken and not handled is lost, and no more.
func TestLossesAddUp(t *testing.T) {
	began := time.Now()
	taken := func(n int) (all []number) {
		for k := range n {
			all = append(all, number{k, began.Add(time.Duration(k-1) * 100 * time.Millisecond)})
		}
		return all
	}
	work := func(c *crew) *work {
		return &work{
			Queue:  Queue{Members: 2, Window: 10 * time.Second, Interval: 100 * time.Millisecond},
			broker: NATSServer, crew: c, began: began, crash: began,
		}
	}
	end := began.Add(10 * time.Second)

	// Number 0 was published before the run began.
	l := work(handled(t, 1, 2, 3, 4, 4, 6, 7)).addUp(taken(8), end)
	if l.Taken != 7 || l.Lost != 1 || l.Twice != 1 || l.LastLostMS == nil || *l.LastLostMS != 400 || l.StillLosing || l.ComputedMS != nil {
		t.Errorf("one lost, one handled twice: %+v", l)
	}
	l = work(handled(t, 1, 2, 3)).addUp(taken(4), end)
	if l.Taken != 3 || l.Lost != 0 || l.LastLostMS != nil || l.sentence() != "nats-server lost nothing" {
		t.Errorf("nothing lost: %+v", l)
	}
	l = work(handled(t)).addUp(taken(100), end)
	if l.Lost != 99 || !l.StillLosing || *l.ComputedMS != 360_000 || *l.ComputedLost != 1800 {
		t.Errorf("all lost: %+v", l)
	}
}

// A member's words that are no numbers end a run that has not begun.
func TestMemberComplains(t *testing.T) {
	c := newCrew(1)
	if _, err := io.WriteString(c.report(0), "12\nvigil-lab: no broker\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.awaitAll(t.Context()); err == nil || !strings.Contains(err.Error(), "no broker") {
		t.Errorf("got %v", err)
	}
}

func TestQueueVerdict(t *testing.T) {
	vigil := func(lastMS int64, twice int) []Loss {
		return []Loss{{Broker: Vigil, Lost: 5, LastLostMS: &lastMS, Twice: twice}, {Broker: NATSServer, Lost: 100, LastLostMS: new(int64(60_000))}}
	}
	late := (latestSuspect + 2*eventSlack).Milliseconds()
	for name, c := range map[string]struct {
		losses []Loss
		kept   bool
	}{
		"kept":      {vigil(1500, 0), true},
		"late":      {vigil(late, 0), false},
		"twice":     {vigil(1500, 1), false},
		"no vigil":  {vigil(1500, 0)[1:], false},
		"none lost": {[]Loss{{Broker: Vigil}}, true},
	} {
		if err := QueueVerdict(c.losses); (err == nil) != c.kept {
			t.Errorf("%s: verdict %v", name, err)
		}
	}
}

// The closing line says who lost what.
func TestWriteLosses(t *testing.T) {
	var out bytes.Buffer
	WriteLosses(&out, []Loss{
		{Broker: Vigil, Mode: fault.PacketsDropped, Taken: 1300, Lost: 8, LastLostMS: new(int64(1640))},
		{
			Broker: NATSServer, Taken: 1300, Lost: 300, LastLostMS: new(int64(59_900)), WindowS: 60,
			StillLosing: true, ComputedMS: new(int64(360_000)), ComputedLost: new(1800),
		},
	})
	for _, want := range []string{
		"1.640 s", "still losing", "1800 in 360 s",
		"vigil lost 8 messages, the last 1.6 s after the member's host vanished; nats-server lost 300 messages in 60 s and went on.\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, &out)
		}
	}
}
