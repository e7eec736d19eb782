package udp

import (
	"bytes"
	"testing"
)

func TestPackets(t *testing.T) {
	n := newNonce()
	if n == newNonce() {
		t.Error("two nonces are the same")
	}
	probe, answer := appendProbe(nil, n), appendAnswer(nil, n)
	if len(probe) != packetSize || len(answer) > len(probe) {
		t.Errorf("a probe of %d bytes and an answer of %d: want %d, and no amplification", len(probe), len(answer), packetSize)
	}
	if got, ok := parseProbe(probe); !ok || got != n {
		t.Errorf("parseProbe: %x, %v", got, ok)
	}
	if got, ok := parseAnswer(answer); !ok || got != n {
		t.Errorf("parseAnswer: %x, %v", got, ok)
	}
	if _, ok := parseProbe(answer); ok {
		t.Error("an answer is taken for a probe: two responders would talk for ever")
	}
	if _, ok := parseAnswer(probe); ok {
		t.Error("a probe is taken for an answer")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("VHB?0123456789ab"))
	f.Add([]byte("VHB!0123456789ab"))
	f.Add([]byte("VHB?0123456789abc"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, b []byte) {
		probe, isProbe := parseProbe(b)
		answer, isAnswer := parseAnswer(b)
		if isProbe && isAnswer {
			t.Fatal("both")
		}
		if isProbe && !bytes.Equal(appendProbe(nil, probe), b) || isAnswer && !bytes.Equal(appendAnswer(nil, answer), b) {
			t.Fatalf("%q does not come back", b)
		}
	})
}
