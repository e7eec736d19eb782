package lab

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"vigil/internal/fault"
)

// liars are contenders that are broken on purpose: the lab has to find them out
// on real sockets, too. They are Vigil's subscriber with another tongue.
func liars() []contender {
	lie := func(name string, tongue func(witness) witness) contender {
		honest := vigilDefault()
		return contender{name: name, worst: honest.worst, join: func(ctx context.Context, p part) (client, error) {
			p.witness = tongue(p.witness)
			return honest.join(ctx, p)
		}}
	}
	deaf := keepaliveContender("never-notices", "", 0, "never", net.Dialer{KeepAlive: -1})
	return []contender{
		deaf,
		lie("cries-wolf", func(w witness) witness { return &hysteric{witness: w} }),
		lie("boasts", func(w witness) witness { return shifted{w, 3 * time.Second} }),
		lie("belittles", func(w witness) witness { return shifted{w, -3 * time.Second} }),
	}
}

// hysteric gives up a connection with every fortieth message.
type hysteric struct {
	witness
	heard int
}

func (h *hysteric) received(n int) {
	h.witness.received(n)
	if h.heard++; h.heard%40 == 0 {
		h.noticed(loss{cause: "a feeling", own: true})
		h.reconnected("")
	}
}

// shifted reports deaf windows that begin earlier than they did, or later.
type shifted struct {
	witness
	by time.Duration
}

func (s shifted) claims(from, to time.Time) { s.witness.claims(from.Add(-s.by), to) }

// needPackets skips a test where packets cannot be dropped; in CI, which says so
// by VIGIL_REQUIRE_NAMESPACES, it fails.
func needPackets(t *testing.T) {
	t.Helper()
	_, reason := fault.Best()
	switch {
	case reason == nil:
	case os.Getenv("VIGIL_REQUIRE_NAMESPACES") != "":
		t.Fatal(reason)
	default:
		t.Skip(reason)
	}
}

// The lab finds out contenders that are broken on purpose.
func TestLiars(t *testing.T) {
	needPackets(t)
	m := Matrix{
		Faults: []string{"cut", "healthy"}, Brokers: []string{Vigil}, Activities: []Activity{Receiving},
		Contenders: []string{"vigil"}, extra: liars(), Quick: true,
	}
	found, err := m.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := found.Verdict(); err != nil {
		t.Error(err)
	}
	for _, c := range found.Cells {
		var ok bool
		switch c.Contender {
		case "vigil":
			ok = c.FalseAlarms == 0 && (!c.Dead || c.DetectedMS != nil && *c.CauseRight && *c.Uncovered == 0 && *c.Contradicted == 0)
		case "never-notices":
			ok = c.FalseAlarms == 0 && (!c.Dead || c.DetectedMS == nil && *c.DeafMS > 4000 && c.Computed == "never")
		case "cries-wolf":
			ok = c.FalseAlarms > 0
		case "boasts":
			ok = !c.Dead || *c.Contradicted > 10 && *c.Uncovered == 0
		case "belittles":
			ok = !c.Dead || *c.Uncovered > 10 && *c.Contradicted == 0
		}
		if !ok {
			t.Errorf("%s, %s: not found out: %+v", c.Contender, c.Fault, c)
		}
	}
	if len(found.Cells) != 2*5 {
		t.Errorf("%d cells, want %d", len(found.Cells), 2*5)
	}
}
