package wire

import (
	"testing"
	"time"
)

func TestPingWithAge(t *testing.T) {
	for _, age := range []time.Duration{0, time.Millisecond, 2310 * time.Millisecond, 11 * 24 * time.Hour} {
		for _, side := range []Side{FromClient, FromBroker} {
			line := AppendPing(nil, age)
			for cut := range line {
				p := Parser{Side: side}
				var op Op
				if n, err := p.Next(line[:cut], &op); n != 0 || err != nil {
					t.Fatalf("%q cut at %d: %d, %v, want to wait", line, cut, n, err)
				}
			}
			p := Parser{Side: side}
			var op Op
			n, err := p.Next(append(line, "PING\r\n"...), &op)
			got, ok := ParsePing(op.Arg)
			if n != len(line) || err != nil || op.Kind != Ping || !ok || got != age {
				t.Errorf("%q: %d bytes, %v, %v, age %v, %v; want %v", line, n, err, op.Kind, got, ok, age)
			}
		}
	}
	if got := string(AppendPing(nil, -time.Second)); got != "PING 0\r\n" {
		t.Errorf("an age that cannot be: %q", got)
	}
}

func TestPingWithSomethingElse(t *testing.T) {
	for line, arg := range map[string]string{
		"PING\r\n":                              "",
		"ping\n":                                "",
		"PING \t 12 \r\n":                       "12",
		"PING twelve\r\n":                       "twelve",
		"PING 1 2\r\n":                          "1 2",
		"PING 1234567890123\r\n":                "1234567890123",
		"PING 1234567890123456789012345678\r\n": "", // 32 bytes and more are passed over
	} {
		p := Parser{}
		op := Op{Arg: []byte("of an operation before")}
		n, err := p.Next([]byte(line), &op)
		if n != len(line) || err != nil || op.Kind != Ping || string(op.Arg) != arg {
			t.Errorf("%q: %d bytes, %v, %v with %q, want %q", line, n, err, op.Kind, op.Arg, arg)
		}
		if age, ok := ParsePing(op.Arg); ok != (arg == "12") {
			t.Errorf("%q: age %v, %v", line, age, ok)
		}
	}
}
