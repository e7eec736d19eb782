package wire

import (
	"slices"
	"strings"
	"testing"
)

// textMapCarrier is propagation.TextMapCarrier of OpenTelemetry.
type textMapCarrier interface {
	Get(key string) string
	Set(key, value string)
	Keys() []string
}

var _ textMapCarrier = Carrier{}

func TestCarrier(t *testing.T) {
	h := Header{"TraceParent": {"old"}, "X-Other": {"1", "2"}}
	c := Carrier(h)
	if got := c.Get("traceparent"); got != "old" {
		t.Errorf("get whatever the case: %q", got)
	}
	c.Set("Traceparent", "new")
	c.Set("tracestate", "a=b")
	if got := string(AppendHeader(nil, h)); got != "NATS/1.0\r\nX-Other: 1\r\nX-Other: 2\r\ntraceparent: new\r\ntracestate: a=b\r\n\r\n" {
		t.Errorf("on the wire: %q", got)
	}
	if got := c.Keys(); !slices.Equal(got, []string{"traceparent", "tracestate", "x-other"}) {
		t.Errorf("keys %q", got)
	}
	if got := Carrier(nil).Get("a") + strings.Join(Carrier(nil).Keys(), ""); got != "" {
		t.Errorf("without a header: %q", got)
	}
	if got := (Carrier{"A": {"1"}, "a": {"2"}}).Keys(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("keys that differ in case: %q", got)
	}
}

func TestFindHeader(t *testing.T) {
	const key = "Nats-Msg-Id"
	for _, tc := range []struct {
		block, want string
		found       bool
	}{
		{"NATS/1.0\r\nNats-Msg-Id: 7\r\n\r\n", "7", true},
		{"NATS/1.0\r\na: b\r\nnats-msg-id:  x y \r\nNats-Msg-Id: 8\r\n\r\n", "x y ", true},
		{"NATS/1.0\nNATS-MSG-ID:9\n\n", "9", true},
		{"NATS/1.0 503\r\nNats-Msg-Id:\r\n\r\n", "", true},
		{"NATS/1.0\r\nNats-Msg-Idd: 7\r\nNats-Msg-I: 8\r\nNats-Msg-Id : 9\r\n\r\n", "", false},
		{"NATS/1.0\r\n\r\nNats-Msg-Id: behind the end\r\n\r\n", "", false},
		{"NATS/1.0\r\nNats-Msg-Id: no end", "", false},
		{"Nats-Msg-Id: 7\r\n\r\n", "", false},
		{"", "", false}, {"\n", "", false}, {"NATS/1.0", "", false},
	} {
		value, found := FindHeader([]byte(tc.block), key)
		if string(value) != tc.want || found != tc.found {
			t.Errorf("%q: %q, %v", tc.block, value, found)
		}
	}
}

// FuzzFindHeader compares FindHeader with the parser that it saves.
func FuzzFindHeader(f *testing.F) {
	for _, c := range headerCases {
		f.Add([]byte(c.block), "A")
	}
	f.Add([]byte("NATS/1.0\r\nNats-Msg-Id: 7\r\n\r\n"), "nats-msg-id")
	f.Fuzz(func(t *testing.T, block []byte, key string) {
		got, found := FindHeader(block, key)
		h, _, err := ParseHeader(block)
		if err != nil || key == "" || strings.Contains(key, ":") {
			return
		}
		same := 0
		for k := range h {
			if strings.EqualFold(k, key) {
				same++
			}
			if len(k) != len(strings.ToLower(k)) || strings.ContainsFunc(k+key, func(r rune) bool { return r >= 0x80 }) {
				return // letters whose cases differ in length are no keys that could be sent
			}
		}
		if same > 1 {
			return
		}
		if want := h.Get(key); found != (same == 1) || string(got) != want {
			t.Errorf("FindHeader(%q, %q) = %q, %v; want %q, %v", block, key, got, found, want, same == 1)
		}
	})
}
