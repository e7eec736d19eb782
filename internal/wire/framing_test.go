package wire

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// A streamCase is a stream, the operations in it, separated by line ends, and
// the error that it ends with.
type streamCase struct {
	says   string
	stream string
	want   string
	err    error
}

var clientStreams = []streamCase{
	{"nothing is nothing", "", "", nil},
	{"upper case is understood", "PING\r\n", "PING", nil},
	{"lower case is understood", "ping\r\n", "PING", nil},
	{"every letter may have its own case", "sUb a 1\r\nuNsUb 1\r\nPuB a 0\r\n\r\nCoNnEcT {}\r\n",
		"SUB subject=a sid=1\nUNSUB sid=1 max=0\nPUB subject=a size=0 payload=\nCONNECT arg={}", nil},
	{"a tab separates like a blank", "SUB\ta\t1\r\nPUB\ta\t2\r\nhi\r\n",
		"SUB subject=a sid=1\nPUB subject=a size=2 payload=hi", nil},
	{"many blanks and tabs separate like one", "SUB \t a \t\tq   1\r\nPUB  a  2\r\nhi\r\n",
		"SUB subject=a queue=q sid=1\nPUB subject=a size=2 payload=hi", nil},
	{"blanks at the end of a line are ignored", "UNSUB 1 \r\nSUB a 1 \t\r\nPUB a 2 \r\nhi\r\n",
		"UNSUB sid=1 max=0\nSUB subject=a sid=1\nPUB subject=a size=2 payload=hi", nil},
	{"a lone line feed ends a control line", "PING\nSUB a 1\nPUB a 2\nhi\r\nPONG\n",
		"PING\nSUB subject=a sid=1\nPUB subject=a size=2 payload=hi\nPONG", nil},
	{"a lone line feed does not end a payload", "PUB a 2\r\nhi\nPING\r\n", "", ErrUnknownOperation},
	{"junk behind PING and PONG is passed over", "PINGxyz\r\nPING foo\r\nPONG\x00\xff\r\nPINGPONG\nPING\r\r\n",
		"PING\nPING\nPONG\nPING\nPING", nil},
	{"10 KB of junk behind PING is passed over", "PING" + strings.Repeat("z", 10<<10) + "\r\nPING\r\n", "PING\nPING", nil},
	{"10 KB of blanks behind PING are passed over", "PING" + strings.Repeat(" ", 10<<10) + "\r\n", "PING", nil},
	{"an empty line is no operation", "\r\n", "", ErrUnknownOperation},
	{"what comes before a wrong operation is given out", "PING\r\nSUB a 1\r\nFOO\r\n", "PING\nSUB subject=a sid=1", ErrUnknownOperation},
	{"operations of other links are unknown", "RMSG a 1\r\n", "", ErrUnknownOperation},
	{"LS+ is unknown", "LS+ a\r\n", "", ErrUnknownOperation},
	{"RS+ is unknown", "RS+ a\r\n", "", ErrUnknownOperation},
	{"A+ is unknown", "A+ a\r\n", "", ErrUnknownOperation},
	{"MSG is unknown from a client", "MSG a 1 2\r\nhi\r\n", "", ErrUnknownOperation},
	{"HMSG is unknown from a client", "HMSG a 1 0 2\r\nhi\r\n", "", ErrUnknownOperation},
	{"a NUL is no operation", "\x00", "", ErrUnknownOperation},
	{"the first byte of a TLS handshake is no operation", "\x16\x03\x01", "", ErrUnknownOperation},
	{"a byte that equals a letter but for other bits is not that letter", "\x10UB a 2\r\nhi\r\n", "", ErrUnknownOperation},
	{"a byte that equals a plus but for the bit of lower case is no plus", "\x0bOK\r\n", "", ErrUnknownOperation},
	{"a letter that only Unicode folds is not that letter", "+O\u212a\r\n", "", ErrUnknownOperation},
	{"an HTTP request is no operation", "GET / HTTP/1.1\r\n", "", ErrUnknownOperation},
	{"+OK is tolerated with anything behind it", "+OK\r\n+okay then\r\n", "+OK\n+OK", nil},
	{"-ERR is tolerated with its text", "-ERR 'no'\r\n-err \t x y \r\n", "-ERR arg='no'\n-ERR arg=x y ", nil},
	{"-ERR needs a blank", "-ERR\r\n", "", ErrUnknownOperation},
	{"INFO from a client is tolerated", "INFO {\"a\":1}\r\n", "INFO arg={\\\"a\\\":1}", nil},
	{"CONNECT needs no blank before its JSON", "CONNECT{\"verbose\":false}\r\n", "CONNECT arg={\\\"verbose\\\":false}", nil},
	{"CONNECT without an argument is left to the JSON decoder", "CONNECT\r\n", "CONNECT arg=", nil},
	{"a carriage return within JSON is left to the JSON decoder", "CONNECT {\r}\r\n", "CONNECT arg={\\r}", nil},
	{"a payload may hold what looks like protocol", "PUB a 12\r\n\r\nPUB b 0\r\n\r\r\n", "PUB subject=a size=12 payload=\\r\\nPUB b 0\\r\\n\\r", nil},
	{"a carriage return alone does not end a control line", "PUB a 2\rxhi\r\n", "", ErrArguments},
	{"a payload may be empty", "PUB a 0\r\n\r\n", "PUB subject=a size=0 payload=", nil},
	{"a payload one byte too short fails", "PUB a 3\r\nhi\r\n", "", ErrUnknownOperation},
	{"a payload one byte too long fails", "PUB a 1\r\nhi\r\n", "", ErrUnknownOperation},
	{"a payload ended by two line feeds fails", "PUB a 2\r\nhi\n\n", "", ErrUnknownOperation},
	{"subjects may hold any byte but blanks and line ends", "SUB \x00\x7f\xff\xc3\xa9 1\r\nPUB \x00\x7f\xff 0\r\n\r\n",
		`SUB subject=\x00\x7f\xffé sid=1` + "\n" + `PUB subject=\x00\x7f\xff size=0 payload=`, nil},
	{"a line feed right behind an operation's blanks ends the line", "PUB \nfoo 0\r\n\r\n", "", ErrArguments},
}

var brokerStreams = []streamCase{
	{"the handshake of a broker", "INFO {\"headers\":true} \r\n+OK\r\nPONG\r\n",
		"INFO arg={\\\"headers\\\":true} \n+OK\nPONG", nil},
	{"MSG carries a sid", "MSG a 1 2\r\nhi\r\n", "MSG subject=a sid=1 size=2 payload=hi", nil},
	{"MSG with a reply", "msg a 1 r 2\r\nhi\r\n", "MSG subject=a sid=1 reply=r size=2 payload=hi", nil},
	{"MSG with tabs and many blanks", "MSG\ta  1\t 2 \nhi\r\n", "MSG subject=a sid=1 size=2 payload=hi", nil},
	{"HMSG counts the header", "HMSG a 1 3 5\r\nabchi\r\n", "HMSG subject=a sid=1 hsize=3 header=abc size=5 payload=hi", nil},
	{"HMSG with a reply", "HMSG a 1 r 3 5\r\nabchi\r\n", "HMSG subject=a sid=1 reply=r hsize=3 header=abc size=5 payload=hi", nil},
	{"HMSG with too many arguments", "HMSG a 1 r 3 5 6\r\nabchi\r\n", "", ErrArguments},
	{"MSG with too few arguments", "MSG a 2\r\nhi\r\n", "", ErrArguments},
	{"MSG with too many arguments", "MSG a 1 r r 2\r\nhi\r\n", "", ErrArguments},
	{"-ERR keeps its quotes", "-ERR 'Stale Connection'\r\n", "-ERR arg='Stale Connection'", nil},
	{"PING from a broker", "PING\r\n", "PING", nil},
	{"PUB is unknown from a broker", "PUB a 2\r\nhi\r\n", "", ErrUnknownOperation},
	{"SUB is unknown from a broker", "SUB a 1\r\n", "", ErrUnknownOperation},
	{"CONNECT is unknown from a broker", "CONNECT {}\r\n", "", ErrUnknownOperation},
	{"a line longer than a client's is fine from a broker", "MSG " + strings.Repeat("s", 4094) + " 12 0\r\n\r\n",
		"MSG subject=" + strings.Repeat("s", 4094) + " sid=12 size=0 payload=", nil},
}

func TestStreams(t *testing.T) {
	testStreams(t, FromClient, clientStreams)
	testStreams(t, FromClient, argumentStreams)
	testStreams(t, FromBroker, brokerStreams)
}

// testStreams reads every stream in one piece, in two at every place, and byte
// by byte.
func testStreams(t *testing.T, side Side, cases []streamCase) {
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			check := func(pieces ...string) {
				t.Helper()
				ops, err := read(t, Parser{Side: side}, pieces...)
				if got := strings.Join(ops, "\n"); got != c.want || !errors.Is(err, c.err) {
					t.Errorf("%.200q gave\n%.999s\nand error %v, want\n%.999s\nand error %v", pieces, got, err, c.want, c.err)
				}
			}
			check(c.stream)
			check(bytewise(c.stream)...)
			for i := range min(len(c.stream), 100) {
				check(c.stream[:i], c.stream[i:])
			}
			ops, err := oracle(side, 64<<10, DefaultMaxPayload, c.stream)
			if got := strings.Join(ops, "\n"); got != c.want || !errors.Is(err, c.err) {
				t.Errorf("the oracle gave\n%.999s\nand error %v", got, err)
			}
		})
	}
}

// TestFirstWrongByte checks that an error is found at the last byte of each
// text, without a line end, and not before.
func TestFirstWrongByte(t *testing.T) {
	cases := []struct {
		says, text string
		side       Side
	}{
		{"no operation begins so", "Z", FromClient},
		{"no operation begins so, the second letter", "PX", FromClient},
		{"PUX is not PUB", "PUX", FromClient},
		{"PUB needs a blank", "PUBS", FromClient},
		{"SUB needs a blank", "SUBZ", FromClient},
		{"HPUB needs a blank", "HPUB{", FromClient},
		{"UNSUB needs a blank", "UNSUB\r", FromClient},
		{"HMSG is not for clients", "HM", FromClient},
		{"MSG is not for clients", "M", FromClient},
		{"CONNECT misspelt at its end", "CONNECX", FromClient},
		{"a second plus is not +OK", "++", FromClient},
		{"-ERR needs a blank", "-ERR\n", FromClient},
		{"MSG needs a blank", "MSGS", FromBroker},
		{"PUB is not for brokers", "PU", FromBroker},
		{"CONNECT is not for brokers", "C", FromBroker},
		{"the byte behind the payload is no CR", "PUB a 1\r\nxy", FromClient},
		{"the byte behind an empty payload is no CR", "PUB a 0\r\n\n", FromClient},
		{"the second byte behind the payload is no LF", "PUB a 1\r\nx\rz", FromClient},
		{"the byte behind a message is no CR", "MSG a 1 1\r\nxy", FromBroker},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			before := c.text[:len(c.text)-1]
			if ops, err := read(t, Parser{Side: c.side}, before); ops != nil || err != nil {
				t.Errorf("%q gave %q, %v", before, ops, err)
			}
			for _, pieces := range [][]string{{c.text}, bytewise(c.text)} {
				if ops, err := read(t, Parser{Side: c.side}, pieces...); ops != nil || !errors.Is(err, ErrUnknownOperation) {
					t.Errorf("%q gave %q, %v", pieces, ops, err)
				}
			}
		})
	}
}

func TestManyOperationsInOnePiece(t *testing.T) {
	const one = "PUB a.b 5\r\nhello\r\nPING\r\nSUB a.b 1\r\nHPUB a 1 2\r\nxy\r\n"
	want := []string{
		"PUB subject=a.b size=5 payload=hello", "PING", "SUB subject=a.b sid=1",
		"HPUB subject=a hsize=1 header=x size=2 payload=y",
	}
	ops, err := read(t, Parser{}, strings.Repeat(one, 3000))
	if err != nil || !slices.Equal(ops, slices.Repeat(want, 3000)) {
		t.Errorf("%d operations, %v", len(ops), err)
	}
}

func TestKindString(t *testing.T) {
	for name, kind := range oracleKinds {
		if got := kind.String(); got != strings.ToUpper(name) {
			t.Errorf("Kind(%d) = %q, want %q", kind, got, strings.ToUpper(name))
		}
	}
	if None.String() != "none" || Kind(99).String() != "unknown" {
		t.Errorf("None = %q, Kind(99) = %q", None, Kind(99))
	}
}
