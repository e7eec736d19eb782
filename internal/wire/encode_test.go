package wire

import (
	"slices"
	"testing"
)

func TestAppend(t *testing.T) {
	payload := []byte("hi")
	block := AppendHeader(nil, Header{"A": {"b"}})
	cases := []struct {
		says string
		got  []byte
		want string
	}{
		{"PUB", AppendPub(nil, "foo", "", payload), "PUB foo 2\r\nhi\r\n"},
		{"PUB with a reply", AppendPub(nil, "foo", "r", payload), "PUB foo r 2\r\nhi\r\n"},
		{"PUB without payload", AppendPub(nil, "foo", "", nil), "PUB foo 0\r\n\r\n"},
		{"HPUB", AppendHPub(nil, "foo", "", block, payload), "HPUB foo 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n"},
		{"HPUB with a reply", AppendHPub(nil, "foo", "r", block, nil), "HPUB foo r 18 18\r\nNATS/1.0\r\nA: b\r\n\r\n\r\n"},
		{"SUB", AppendSub(nil, "foo", "", "1"), "SUB foo 1\r\n"},
		{"SUB in a queue group", AppendSub(nil, "foo", "q", "1"), "SUB foo q 1\r\n"},
		{"UNSUB at once", AppendUnsub(nil, "1", 0), "UNSUB 1\r\n"},
		{"UNSUB with a negative total", AppendUnsub(nil, "1", -1), "UNSUB 1\r\n"},
		{"UNSUB after a total", AppendUnsub(nil, "1", 5), "UNSUB 1 5\r\n"},
		{"UNSUB after the largest total", AppendUnsub(nil, "1", MaxUnsub), "UNSUB 1 999999999\r\n"},
		{"UNSUB after more is not read as at once", AppendUnsub(nil, "1", 1<<62), "UNSUB 1 999999999\r\n"},
		{"-ERR", AppendErr(nil, "Stale Connection"), "-ERR 'Stale Connection'\r\n"},
		{"no responders: 35 bytes of header for foo",
			AppendNoResponders(nil, []byte("_INBOX.1"), "7", []byte("foo")),
			"HMSG _INBOX.1 7 35 35\r\nNATS/1.0 503\r\nNats-Subject: foo\r\n\r\n\r\n"},
		{"PING, PONG and +OK", []byte(PingLine + PongLine + OKLine), "PING\r\nPONG\r\n+OK\r\n"},
		{"what stood before stays", AppendSub([]byte("PING\r\n"), "foo", "", "1"), "PING\r\nSUB foo 1\r\n"},
		{"an empty header block", AppendHeader(nil, nil), "NATS/1.0\r\n\r\n"},
		{"header keys in sorted order, values in their own",
			AppendHeader(nil, Header{"b": {"2", "1"}, "a": {""}, "B": {"x"}, "none": nil}),
			"NATS/1.0\r\nB: x\r\na: \r\nb: 2\r\nb: 1\r\n\r\n"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			if string(c.got) != c.want {
				t.Errorf("got  %q\nwant %q", c.got, c.want)
			}
		})
	}
}

func TestAppendMsg(t *testing.T) {
	cases := []struct {
		says, published string
		headers         bool
		want            string
	}{
		{"a plain message", "PUB foo 2\r\nhi\r\n", true, "MSG foo 7 2\r\nhi\r\n"},
		{"a reply is passed on", "PUB foo r 2\r\nhi\r\n", true, "MSG foo 7 r 2\r\nhi\r\n"},
		{"size digits are echoed", "PUB foo 0002\r\nhi\r\n", false, "MSG foo 7 0002\r\nhi\r\n"},
		{"a header is passed on", "HPUB foo 3 5\r\nabchi\r\n", true, "HMSG foo 7 3 5\r\nabchi\r\n"},
		{"a header is passed on with a reply", "HPUB foo r 3 5\r\nabchi\r\n", true, "HMSG foo 7 r 3 5\r\nabchi\r\n"},
		{"digits of both sizes are echoed", "HPUB foo 03 005\r\nabchi\r\n", true, "HMSG foo 7 03 005\r\nabchi\r\n"},
		{"a header is left out for who cannot read it", "HPUB foo r 3 5\r\nabchi\r\n", false, "MSG foo 7 r 2\r\nhi\r\n"},
		{"nothing but a header leaves an empty message", "HPUB foo 3 3\r\nabc\r\n", false, "MSG foo 7 0\r\n\r\n"},
		{"nothing but a header is passed on", "HPUB foo 3 3\r\nabc\r\n", true, "HMSG foo 7 3 3\r\nabc\r\n"},
		{"an empty header makes a plain message", "HPUB foo 0 2\r\nhi\r\n", true, "MSG foo 7 2\r\nhi\r\n"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			var parser Parser
			var op Op
			if n, err := parser.Next([]byte(c.published), &op); n != len(c.published) || err != nil {
				t.Fatalf("Next = %d, %v", n, err)
			}
			got := AppendMsg(nil, &op, "7", c.headers)
			if string(got) != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// TestMsgOverhead checks the bound with the longest fixed parts there can be.
func TestMsgOverhead(t *testing.T) {
	stream := "HPUB s r 000000001 000000002\r\nhi\r\n"
	var parser Parser
	var op Op
	if n, err := parser.Next([]byte(stream), &op); n != len(stream) || err != nil {
		t.Fatalf("Next = %d, %v", n, err)
	}
	got := AppendMsg(nil, &op, "sid", true)
	if want := len("s") + len("r") + len("sid") + len(op.Frame) + MsgOverhead; len(got) != want {
		t.Errorf("%d bytes, bound %d: %q", len(got), want, got)
	}
}

// TestAllocations checks that nothing on the way of a message allocates.
func TestAllocations(t *testing.T) {
	payload := []byte("0123456789abcdef")
	header := Header{"Id": {"1"}, "Trace": {"a", "b"}}
	block := AppendHeader(nil, header)
	subject, sid, reply := []byte("orders.created"), "1", []byte("_INBOX.1")
	dst := make([]byte, 0, 1024)
	var message Op
	var broker Parser
	if _, err := broker.Next(AppendHPub(nil, "a", "r", block, payload), &message); err != nil {
		t.Fatal(err)
	}
	cases := map[string]func(){
		"AppendPub":          func() { dst = AppendPub(dst[:0], "orders.created", "r", payload) },
		"AppendHPub":         func() { dst = AppendHPub(dst[:0], "orders.created", "r", block, payload) },
		"AppendSub":          func() { dst = AppendSub(dst[:0], "orders.created", "q", "1") },
		"AppendUnsub":        func() { dst = AppendUnsub(dst[:0], "1", 10) },
		"AppendMsg":          func() { dst = AppendMsg(dst[:0], &message, sid, true) },
		"AppendMsgStart":     func() { dst = AppendMsgStart(dst[:0], subject, sid) },
		"AppendMsg stripped": func() { dst = AppendMsg(dst[:0], &message, sid, false) },
		"AppendNoResponders": func() { dst = AppendNoResponders(dst[:0], reply, sid, subject) },
		"AppendErr":          func() { dst = AppendErr(dst[:0], "Stale Connection") },
		"AppendHeader":       func() { dst = AppendHeader(dst[:0], header) },
	}
	for side, streams := range [][]streamCase{
		FromClient: slices.Concat(clientStreams, argumentStreams), FromBroker: brokerStreams,
	} {
		for _, c := range streams {
			stream := []byte(c.stream)
			cases["Next: "+c.says] = func() {
				parser := Parser{Side: Side(side)}
				var op Op
				for rest := stream; ; {
					n, err := parser.Next(rest, &op)
					if n == 0 || err != nil {
						return
					}
					rest = rest[n:]
				}
			}
		}
	}
	for name, f := range cases {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// A tail is what a broker would have written, or there is none; with the start
// it makes the same MSG as AppendMsg.
func TestTail(t *testing.T) {
	for text, tail := range map[string]string{
		"PUB a 2\r\nhi\r\n":            "2\r\nhi\r\n",
		"pub a r 0002\r\nhi\r\n":       "r 0002\r\nhi\r\n",
		"PUB a 0\r\n\r\n":              "0\r\n\r\n",
		"PUB  a 2\r\nhi\r\n":           "",
		"PUB a  2\r\nhi\r\n":           "",
		"PUB a\t2\r\nhi\r\n":           "",
		"PUB a r  2\r\nhi\r\n":         "",
		"PUB a 2 \r\nhi\r\n":           "",
		"PUB a 2\nhi\r\n":              "",
		"HPUB a 2 4\r\nhihi\r\n":       "",
		"HPUB a r 0 4\r\nhihi\r\n":     "",
		"PUB a 2\r\nhi\r\nPUB b 0\r\n": "2\r\nhi\r\n",
	} {
		op := Op{Tail: []byte("of an earlier operation")}
		var p Parser
		if n, err := p.Next([]byte(text), &op); n == 0 || err != nil {
			t.Fatalf("%q: %d bytes, %v", text, n, err)
		}
		if string(op.Tail) != tail {
			t.Errorf("%q: the tail is %q, want %q", text, op.Tail, tail)
		}
		if tail == "" {
			continue
		}
		got := append(AppendMsgStart(nil, op.Subject, "9"), op.Tail...)
		if want := AppendMsg(nil, &op, "9", true); string(got) != string(want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
