package integration_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"vigil/internal/fault"
	"vigil/internal/lab"
)

// lossKeys are what `vigil-lab queue --json` promises of each object.
var lossKeys = []string{
	"broker", "computed_lost", "computed_ms", "last_lost_ms", "lost", "members", "mode", "per_s",
	"still_losing", "taken", "twice", "window_s",
}

// The host of a queue group's member vanishes: nats-server hands it its share
// for as long as one looks, Vigil only until it suspects the member.
func TestQueueMemberVanishes(t *testing.T) {
	t.Parallel()
	needPackets(t)
	p := start(t, nil, "vigil-lab", "queue", "--json", "--length", "15s")
	if status := p.status(t); status != 0 {
		t.Fatalf("exit status %d", status)
	}
	lines := p.out.lines()
	if len(lines) != len(lab.Brokers()) {
		t.Fatalf("%d lines, want one for each broker:\n%s", len(lines), &p.out)
	}
	losses := make([]lab.Loss, len(lines))
	for k, line := range lines {
		var keys map[string]any
		must(t, json.Unmarshal([]byte(line), &keys))
		if got := slices.Sorted(maps.Keys(keys)); !slices.Equal(got, lossKeys) {
			t.Errorf("keys %v, want %v", got, lossKeys)
		}
		must(t, json.Unmarshal([]byte(line), &losses[k]))
	}
	vigil, nats := losses[0], losses[1]
	if vigil.Broker != lab.Vigil || vigil.Lost == 0 || vigil.StillLosing || vigil.Twice != 0 || vigil.Mode != fault.PacketsDropped {
		t.Errorf("vigil: %+v", vigil)
	}
	// Its share is 75 messages: less than 35 is out of the question by chance.
	if nats.Broker != lab.NATSServer || !nats.StillLosing || nats.Twice != 0 || nats.Lost < 35 || nats.ComputedMS == nil {
		t.Errorf("nats-server: %+v", nats)
	}
	if vigil.Lost >= nats.Lost {
		t.Errorf("vigil lost %d, nats-server %d", vigil.Lost, nats.Lost)
	}
}
