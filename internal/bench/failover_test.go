package bench

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// A failover is one figure a round, in time or not; who fails is out of it.
func TestFailover(t *testing.T) {
	scenarios, err := Choose([]string{"client-failover"}, false)
	if err != nil {
		t.Fatal(err)
	}
	contender := func(name string, took ...time.Duration) Contender {
		turn := 0
		return Contender{Name: name, Protocol: Failover, FailOver: func(context.Context) (time.Duration, time.Duration, error) {
			d := took[turn]
			turn++
			if d < 0 {
				return 0, 0, errors.New("no cluster")
			}
			return d, time.Second, nil
		}}
	}
	b := Bench{Scenarios: scenarios, Rounds: 3, Contenders: []Contender{
		{Name: "vigil"}, {Name: "nats-server"}, // brokers take no part
		contender("quick", 900*time.Millisecond, time.Second, 800*time.Millisecond),
		contender("slow", 900*time.Millisecond, 1001*time.Millisecond, 3*time.Second),
		contender("none", -1, -1, -1),
	}}
	results, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 3 {
		t.Fatalf("%d results, want those of three clients", len(results))
	}
	for k, want := range []struct {
		inTime      int
		median, max float64
	}{{3, 900e3, 1000e3}, {1, 1001e3, 3000e3}} {
		r := results[k]
		if r.Err != nil || r.Rounds != 3 || r.InTime == nil || *r.InTime != want.inTime || r.P50.Median != want.median || r.P50.Max != want.max {
			t.Errorf("%s: %+v, %+v; want %+v", r.Broker, r, r.P50, want)
		}
	}
	if r := results[2]; r.Err == nil || !strings.Contains(r.Err.Error(), "no cluster") || r.InTime != nil {
		t.Errorf("one that failed: %+v", r)
	}

	var out strings.Builder
	if err := WriteJSON(&out, results, nil); err != nil {
		t.Fatal(err)
	}
	var line struct {
		InTime  int        `json:"in_time"`
		P50Span [2]float64 `json:"p50_us_span"`
	}
	if err := json.Unmarshal([]byte(strings.SplitAfter(out.String(), "\n")[1]), &line); err != nil {
		t.Fatal(err)
	}
	if line.InTime != 1 || line.P50Span != [2]float64{900e3, 3000e3} {
		t.Errorf("as JSON: %+v", line)
	}
	out.Reset()
	WriteNotes(&out, b, results, nil)
	if want := "slow: connected to another node in time in 1 of 3 rounds, after 0.90 s to 3.00 s."; !strings.Contains(out.String(), want) {
		t.Errorf("%q is not in the notes:\n%s", want, &out)
	}
	if strings.Contains(out.String(), "This system does not tell") {
		t.Errorf("what was not measured is blamed on the system:\n%s", &out)
	}
}
