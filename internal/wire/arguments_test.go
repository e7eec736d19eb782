package wire

import (
	"errors"
	"strings"
	"testing"
)

// argumentStreams are about the arguments of a client's operations.
var argumentStreams = []streamCase{
	{"PUB with a reply", "PUB a r 2\r\nhi\r\n", "PUB subject=a reply=r size=2 payload=hi", nil},
	{"PUB without arguments", "PUB \r\n", "", ErrArguments},
	{"PUB without a size", "PUB a\r\n", "", ErrArguments},
	{"PUB with four arguments", "PUB a r x 2\r\nhi\r\n", "", ErrArguments},
	{"PUB with nine arguments", "PUB 1 2 3 4 5 6 7 8 9\r\n", "", ErrArguments},
	{"PUB with a reply that is a number", "PUB a 12 2\r\nhi\r\n", "PUB subject=a reply=12 size=2 payload=hi", nil},
	{"PUB with a reply that begins with digits", "PUB a 12x 2\r\nhi\r\n", "PUB subject=a reply=12x size=2 payload=hi", nil},
	{"a size of -1", "PUB a -1\r\n", "", ErrArguments},
	{"a size of +5", "PUB a +5\r\nhello\r\n", "", ErrArguments},
	{"a size of 0x5", "PUB a 0x5\r\nhello\r\n", "", ErrArguments},
	{"a size of 5.0", "PUB a 5.0\r\nhello\r\n", "", ErrArguments},
	{"a size of 5_0", "PUB a 5_0\r\nhello\r\n", "", ErrArguments},
	{"a size of 1e1", "PUB a 1e1\r\nhello\r\n", "", ErrArguments},
	{"a size in other digits", "PUB a \u0665\r\nhello\r\n", "", ErrArguments},
	{"a size of twenty nines", "PUB a 99999999999999999999\r\n", "", ErrArguments},
	{"a size of 2^31", "PUB a 2147483648\r\n", "", ErrArguments},
	{"a size of 2^32", "PUB a 4294967296\r\n", "", ErrArguments},
	{"a size of 2^63-1", "PUB a 9223372036854775807\r\n", "", ErrArguments},
	{"a size of 2^63", "PUB a 9223372036854775808\r\n", "", ErrArguments},
	{"a size of 2^64+2", "PUB a 18446744073709551618\r\nhi\r\n", "", ErrArguments},
	{"a size of ten digits, though small", "PUB a 0000000002\r\nhi\r\n", "", ErrArguments},
	{"a size of nine digits", "PUB a 000000002\r\nhi\r\n", "PUB subject=a size=000000002 payload=hi", nil},
	{"a size of nine nines is a number, and too much", "PUB a 999999999\r\n", "", ErrMaxPayload},
	{"the digits of a size are kept as sent", "PUB a 0002\r\nhi\r\n", "PUB subject=a size=0002 payload=hi", nil},
	{"the digits of header sizes are kept as sent", "HPUB a 01 002\r\nhi\r\n", "HPUB subject=a hsize=01 header=h size=002 payload=i", nil},
	{"HPUB with a reply", "HPUB a r 1 2\r\nhi\r\n", "HPUB subject=a reply=r hsize=1 header=h size=2 payload=i", nil},
	{"HPUB with a header that is none", "HPUB foo 3 5\r\nabcxx\r\n", "HPUB subject=foo hsize=3 header=abc size=5 payload=xx", nil},
	{"HPUB without a header", "HPUB a 0 2\r\nhi\r\n", "HPUB subject=a hsize=0 header= size=2 payload=hi", nil},
	{"HPUB of nothing", "HPUB a 0 0\r\n\r\n", "HPUB subject=a hsize=0 header= size=0 payload=", nil},
	{"HPUB without a payload", "HPUB a 2 2\r\nhi\r\n", "HPUB subject=a hsize=2 header=hi size=2 payload=", nil},
	{"HPUB whose header is larger than the whole", "HPUB a 3 2\r\nhi\r\n", "", ErrArguments},
	{"HPUB with a negative header size", "HPUB a -1 2\r\nhi\r\n", "", ErrArguments},
	{"HPUB with a bad size", "HPUB a 1 x\r\nhi\r\n", "", ErrArguments},
	{"HPUB with two arguments", "HPUB a 2\r\nhi\r\n", "", ErrArguments},
	{"HPUB with five arguments", "HPUB a r x 1 2\r\nhi\r\n", "", ErrArguments},
	{"SUB without a sid", "SUB a\r\n", "", ErrArguments},
	{"SUB without arguments", "SUB \r\n", "", ErrArguments},
	{"SUB with four arguments", "SUB a q 1 2\r\n", "", ErrArguments},
	{"a sid may be any token", "SUB a abc-1\r\n", "SUB subject=a sid=abc-1", nil},
	{"subjects are not checked here", "SUB a..b 1\r\nSUB .> 2\r\n", "SUB subject=a..b sid=1\nSUB subject=.> sid=2", nil},
	{"a plain SUB after one with a queue has no queue", "SUB a q 1\r\nSUB a 2\r\n", "SUB subject=a queue=q sid=1\nSUB subject=a sid=2", nil},
	{"a PUB after one with a reply has no reply", "PUB a r 0\r\n\r\nPUB a 0\r\n\r\n",
		"PUB subject=a reply=r size=0 payload=\nPUB subject=a size=0 payload=", nil},
	{"a PUB after an HPUB has no header", "HPUB a 2 2\r\nhi\r\nPUB a 2\r\nhi\r\n",
		"HPUB subject=a hsize=2 header=hi size=2 payload=\nPUB subject=a size=2 payload=hi", nil},
	{"UNSUB at once", "UNSUB 1\r\n", "UNSUB sid=1 max=0", nil},
	{"UNSUB after a total", "UNSUB 1 5\r\n", "UNSUB sid=1 max=5", nil},
	{"UNSUB after nothing means at once", "UNSUB 1 0\r\n", "UNSUB sid=1 max=0", nil},
	{"UNSUB after less than nothing means at once", "UNSUB 1 -5\r\n", "UNSUB sid=1 max=0", nil},
	{"UNSUB after no number means at once", "UNSUB 1 five\r\n", "UNSUB sid=1 max=0", nil},
	{"UNSUB after the largest total", "UNSUB 1 999999999\r\n", "UNSUB sid=1 max=999999999", nil},
	{"UNSUB after more means at once", "UNSUB 1 9223372036854775808\r\n", "UNSUB sid=1 max=0", nil},
	{"UNSUB with blanks at its end", "UNSUB 1 \r\nUNSUB 2 3\t\r\n", "UNSUB sid=1 max=0\nUNSUB sid=2 max=3", nil},
	{"UNSUB without arguments", "UNSUB \r\n", "", ErrArguments},
	{"UNSUB with three arguments", "UNSUB 1 2 3\r\n", "", ErrArguments},
	{"a carriage return inside a subject of PUB", "PUB a\rb 2\r\nhi\r\n", "", ErrArguments},
	{"a carriage return inside a subject of SUB", "SUB a\rb 1\r\n", "", ErrArguments},
	{"a carriage return inside a reply", "PUB a r\r 2\r\nhi\r\n", "", ErrArguments},
	{"a carriage return inside a sid", "UNSUB 1\r2\r\n", "", ErrArguments},
	{"a carriage return between fields", "PUB a \r 2\r\nhi\r\n", "", ErrArguments},
	{"two carriage returns at a line's end", "PUB a 2\r\r\nhi\r\n", "", ErrArguments},
}

// TestControlLineLimit checks lines at the limit and one byte over it, with
// and without an end.
func TestControlLineLimit(t *testing.T) {
	const limit = DefaultMaxControlLine
	for _, c := range []struct {
		says string
		name string // operation and what separates it
		head string // begins the arguments
		tail string // ends them
		body string // follows the line
	}{
		{"PUB", "PUB ", "", " 2", "hi\r\n"},
		{"PUB with a reply", "PUB ", "a ", " 2", "hi\r\n"},
		{"PUB with many blanks between its fields", "PUB\t", "a" + strings.Repeat(" ", 99), " 2", "hi\r\n"},
		{"HPUB", "HPUB ", "", " 1 2", "hi\r\n"},
		{"SUB", "SUB ", "", " 1", ""},
		{"UNSUB", "UNSUB ", "", " 1", ""},
		{"CONNECT", "CONNECT ", `{"name":"`, `"}`, ""},
		{"CONNECT without a blank", "CONNECT", `{"name":"`, `"}`, ""},
		{"INFO", "INFO ", `{"host":"`, `"}`, ""},
		{"-ERR", "-ERR ", "'", "'", ""},
		{"blanks at the end count", "SUB ", "", " 1" + strings.Repeat(" ", 2000), ""},
	} {
		t.Run(c.says, func(t *testing.T) {
			line := func(size int) string {
				return c.name + c.head + strings.Repeat("x", size-len(c.head)-len(c.tail)) + c.tail
			}
			for _, end := range []string{"\r\n", "\n"} {
				check(t, Parser{}, line(limit)+end+c.body, 1, nil)
				check(t, Parser{}, line(limit+1)+end+c.body, 0, ErrControlLine)
				check(t, Parser{MaxControlLine: 5000}, line(5000)+end+c.body, 1, nil)
				check(t, Parser{MaxControlLine: 5000}, line(5001)+end+c.body, 0, ErrControlLine)
			}
			check(t, Parser{}, line(limit), 0, nil)
			check(t, Parser{}, line(limit)+"\r", 0, nil)
			check(t, Parser{}, line(limit)+"\rx", 0, ErrControlLine)
			check(t, Parser{}, line(limit+1), 0, ErrControlLine)
		})
	}
	t.Run("blanks before the arguments have a limit of their own", func(t *testing.T) {
		check(t, Parser{}, "SUB "+strings.Repeat(" ", limit)+"a 1\r\n", 1, nil)
		check(t, Parser{}, "SUB "+strings.Repeat(" ", limit+1), 0, ErrControlLine)
	})
	t.Run("a broker's lines may be longer", func(t *testing.T) {
		parser := Parser{Side: FromBroker}
		text := strings.Repeat("x", DefaultMaxBrokerLine)
		check(t, parser, "INFO "+text+"\r\n", 1, nil)
		check(t, parser, "INFO "+text+"x", 0, ErrControlLine)
	})
}

// check reads stream in one piece, then, unless it is long, byte by byte; it
// must hold count operations and end with the error want.
func check(t *testing.T, parser Parser, stream string, count int, want error) {
	t.Helper()
	ways := [][]string{{stream}}
	if len(stream) < 10_000 {
		ways = append(ways, bytewise(stream))
	}
	for _, pieces := range ways {
		ops, err := read(t, parser, pieces...)
		if len(ops) != count || !errors.Is(err, want) {
			t.Errorf("%.20q… of %d bytes in %d pieces: %d operations, error %v; want %d, %v",
				stream, len(stream), len(pieces), len(ops), err, count, want)
		}
	}
}

func TestMaxPayload(t *testing.T) {
	t.Run("as much as the limit is allowed", func(t *testing.T) {
		full := strings.Repeat("x", DefaultMaxPayload)
		check(t, Parser{}, "PUB a 1048576\r\n"+full+"\r\n", 1, nil)
		check(t, Parser{MaxPayload: 8}, "PUB a 8\r\n12345678\r\n", 1, nil)
	})
	t.Run("one byte more fails on the control line", func(t *testing.T) {
		check(t, Parser{}, "PUB a 1048577\r\n", 0, ErrMaxPayload)
		check(t, Parser{MaxPayload: 8}, "PUB a 9\r\n123456789\r\n", 0, ErrMaxPayload)
	})
	t.Run("the header counts", func(t *testing.T) {
		check(t, Parser{MaxPayload: 8}, "HPUB a 4 8\r\n12345678\r\n", 1, nil)
		check(t, Parser{MaxPayload: 8}, "HPUB a 4 9\r\n", 0, ErrMaxPayload)
	})
	t.Run("the line itself is judged first", func(t *testing.T) {
		check(t, Parser{MaxPayload: 8}, "HPUB a 10 9\r\n", 0, ErrArguments)
		check(t, Parser{MaxPayload: 8, MaxControlLine: 4}, "PUB aaa 9\r\n", 0, ErrControlLine)
	})
}
