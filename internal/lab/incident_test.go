package lab

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"vigil/internal/fault"
)

// A short incident behind a proxy, which every machine can run: the whole way
// from processes to results.
func TestIncident(t *testing.T) {
	var lines []Line
	i := Incident{Mode: fault.Proxied, Healthy: 300 * time.Millisecond, Outage: 3500 * time.Millisecond, Aftermath: 5 * time.Second,
		Tell: func(l Line) { lines = append(lines, l) }}
	results, err := i.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := Verdict(results); err != nil {
		t.Error(err)
	}
	if want := len(Brokers()) * len(contenders()); len(results) != want {
		t.Fatalf("%d results, want %d", len(results), want)
	}
	for _, r := range results {
		switch r.Contender {
		case "vigil", "nats.go-1s":
			if r.DetectedMS == nil || !r.Resumed {
				t.Errorf("%s on %s: %+v, want noticed and resumed", r.Contender, r.Broker, r)
			}
		default: // a proxy goes on acknowledging: nothing tells them
			if r.DetectedMS != nil || r.Resumed || r.ComputedMS == nil || r.Missed == 0 {
				t.Errorf("%s on %s: %+v, want still deaf", r.Contender, r.Broker, r)
			}
		}
	}
	var told strings.Builder
	for _, l := range lines {
		told.WriteString(l.Broker + " " + l.Contender + " " + l.Text + "\n")
	}
	for _, want := range []string{"vigil  CRASH", "nats-server  CRASH", "vigil vigil stale: ", "nats-server vigil resumed", "vigil nats.go-1s nats: stale connection"} {
		if !strings.Contains(told.String(), want) {
			t.Errorf("the timeline lacks %q:\n%s", want, told.String())
		}
	}
}

// An incident that is broken off ends at once and leaves nothing behind; that
// no goroutine does is TestMain's to see.
func TestIncidentInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	i := Incident{Mode: fault.Proxied, Healthy: time.Hour, Tell: func(l Line) { cancel() }}
	_, err := i.Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
}

func TestIncidentUnknownMode(t *testing.T) {
	if _, err := (Incident{Mode: "wishful"}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "wishful") {
		t.Errorf("error %v, want one that names the mode", err)
	}
}
