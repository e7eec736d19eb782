package wire

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// FuzzParserCuts checks that a stream gives the same operations and the same
// error however it is cut into reads, and that they are those of the oracle.
func FuzzParserCuts(f *testing.F) {
	for side, cases := range [][]streamCase{
		FromClient: slices.Concat(clientStreams, argumentStreams), FromBroker: brokerStreams,
	} {
		for _, c := range cases {
			if len(c.stream) > 1000 {
				continue
			}
			f.Add(side == int(FromBroker), true, []byte(c.stream), []byte{1, 2, 3, 5, 8})
			f.Add(side == int(FromBroker), false, []byte(c.stream), []byte{0})
		}
	}
	f.Fuzz(func(t *testing.T, fromBroker, small bool, stream, cuts []byte) {
		stream = stream[:min(len(stream), 1000)] // more takes long and shows nothing new
		parser := Parser{MaxControlLine: 200, MaxPayload: 100}
		if fromBroker {
			parser.Side = FromBroker
		}
		if small {
			parser.MaxControlLine, parser.MaxPayload = 16, 12
		}
		wantOps, wantErr := oracle(parser.Side, parser.MaxControlLine, parser.MaxPayload, string(stream))
		for _, pieces := range [][]string{{string(stream)}, cut(string(stream), cuts)} {
			ops, err := read(t, parser, pieces...)
			if !slices.Equal(ops, wantOps) || !errors.Is(err, wantErr) || (err == nil) != (wantErr == nil) {
				t.Errorf("%q gave\n%s\nand error %v, the oracle\n%s\nand error %v",
					pieces, strings.Join(ops, "\n"), err, strings.Join(wantOps, "\n"), wantErr)
			}
		}
	})
}

// cut cuts text into pieces whose lengths are those of lengths plus one, again
// and again.
func cut(text string, lengths []byte) (pieces []string) {
	if len(lengths) == 0 {
		lengths = []byte{0}
	}
	for i := 0; text != ""; i++ {
		n := min(int(lengths[i%len(lengths)])+1, len(text))
		pieces, text = append(pieces, text[:n]), text[n:]
	}
	return pieces
}

// FuzzRoundTrip checks that every operation is read as it was written.
func FuzzRoundTrip(f *testing.F) {
	f.Add("foo.bar", "r", "q", "1", []byte("NATS/1.0\r\n\r\n"), []byte("hi"), int64(5), true)
	f.Add("a", "", "", "sid", []byte(""), []byte(""), int64(0), false)
	f.Add("12", "7", "8", "9", []byte("x"), []byte("\r\nPUB a 0\r\n\r\n"), int64(MaxUnsub), true)
	f.Fuzz(func(t *testing.T, subject, reply, queue, sid string, header, payload []byte, limit int64, flag bool) {
		subject, sid = field(subject, "s"), field(sid, "1")
		reply, queue = field(reply, ""), field(queue, "")
		limit = min(max(limit, 0), MaxUnsub)
		body := string(header) + string(payload) + crlf

		published := one(t, FromClient, AppendPub(nil, subject, reply, payload))
		want := Op{Kind: Pub, Subject: []byte(subject), Reply: optional(reply), Frame: []byte(string(payload) + crlf)}
		want.SizeText = digits(len(payload))
		same(t, published, &want)
		short := append(AppendMsgStart(nil, published.Subject, sid), published.Tail...)
		if whole := AppendMsg(nil, published, sid, flag); published.Tail != nil && string(short) != string(whole) {
			t.Errorf("start and tail are %q, want %q", short, whole)
		}

		withHeader := one(t, FromClient, AppendHPub(nil, subject, reply, header, payload))
		want.Kind, want.HeaderLen, want.Frame = HPub, len(header), []byte(body)
		want.HeaderSizeText, want.SizeText = digits(len(header)), digits(len(header)+len(payload))
		same(t, withHeader, &want)

		delivered := one(t, FromBroker, AppendMsg(nil, withHeader, sid, flag))
		want.SID = []byte(sid)
		if want.Kind = HMsg; len(header) == 0 || !flag {
			want.Kind, want.HeaderLen, want.HeaderSizeText = Msg, 0, nil
			want.SizeText, want.Frame = digits(len(payload)), []byte(string(payload)+crlf)
		}
		same(t, delivered, &want)

		same(t, one(t, FromClient, AppendSub(nil, subject, queue, sid)),
			&Op{Kind: Sub, Subject: []byte(subject), Queue: optional(queue), SID: []byte(sid)})
		same(t, one(t, FromClient, AppendUnsub(nil, sid, limit)),
			&Op{Kind: Unsub, SID: []byte(sid), Max: limit})
		same(t, one(t, FromBroker, AppendErr(nil, subject)),
			&Op{Kind: Err, Arg: []byte("'" + subject + "'")})

		none := one(t, FromBroker, AppendNoResponders(nil, []byte(subject), sid, []byte(subject)))
		h, status, err := ParseHeader(none.Header())
		if err != nil || status.Code != StatusNoResponders || h.Get("Nats-Subject") != subject || len(none.Payload()) != 0 {
			t.Errorf("no responders: %q, %+v, %v", h, status, err)
		}
		roundTripHandshake(t, strings.ToValidUTF8(subject, "?"), strings.ToValidUTF8(queue, "?"), limit, flag)
	})
}

func roundTripHandshake(t *testing.T, a, b string, n int64, flag bool) {
	info := &InfoLine{
		ServerID: a, ServerName: b, Version: a, Proto: 1, Go: b, Host: a, Port: int(n), Headers: flag,
		MaxPayload: n, ClientID: uint64(n), ClientIP: b, AuthRequired: flag, TLSRequired: !flag,
		TLSAvailable: flag, Nonce: a, Cluster: b, LameDuck: flag, ConnectInfo: !flag, RemoteAccount: a,
	}
	if flag {
		info.ConnectURLs = []string{a, b}
	}
	got, err := ParseInfo(one(t, FromBroker, AppendInfo(nil, info)).Arg)
	if err != nil || !reflect.DeepEqual(got, info) {
		t.Errorf("INFO: got %+v, %v\nwant %+v", got, err, info)
	}
	connect := ConnectLine{
		Verbose: flag, Pedantic: !flag, Echo: flag, Headers: !flag, NoResponders: flag, Protocol: int(n),
		Lang: a, Version: b, Name: a, User: b, Pass: a, AuthToken: b, TLSRequired: flag, Account: a, NewAccount: !flag,
	}
	merged := DefaultConnect()
	err = merged.Merge(one(t, FromClient, AppendConnect(nil, &connect)).Arg)
	if err != nil || merged != connect {
		t.Errorf("CONNECT: got %+v, %v\nwant %+v", merged, err, connect)
	}
}

// one parses the single operation that stream is.
func one(t *testing.T, side Side, stream []byte) *Op {
	t.Helper()
	parser := Parser{Side: side, MaxControlLine: 1 << 24, MaxPayload: 1 << 24}
	op := new(Op)
	if n, err := parser.Next(stream, op); n != len(stream) || err != nil {
		t.Fatalf("Next(%.200q) = %d of %d, %v", stream, n, len(stream), err)
	}
	return op
}

func same(t *testing.T, got, want *Op) {
	t.Helper()
	if show(got) != show(want) {
		t.Errorf("got  %s\nwant %s", show(got), show(want))
	}
}

// field makes s an argument: without blanks and line ends, and not empty unless
// instead is.
func field(s, instead string) string {
	s = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(s)
	if s == "" {
		return instead
	}
	return s
}

func optional(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

func digits(n int) []byte { return []byte(strconv.Itoa(n)) }

// FuzzHeader checks that what was parsed is parsed again from its encoding, and
// that what Check accepts arrives as it was.
func FuzzHeader(f *testing.F) {
	for _, c := range headerCases {
		f.Add([]byte(c.block), "A", "b", "B", "c")
	}
	f.Add([]byte(""), "A", " b", "A", "b ")
	f.Add([]byte(""), "A", "b\r", "B:", "")
	f.Fuzz(func(t *testing.T, block []byte, key1, value1, key2, value2 string) {
		if h, _, err := ParseHeader(block); err == nil {
			again, _, err := ParseHeader(AppendHeader(nil, h))
			if err != nil || !reflect.DeepEqual(again, h) {
				t.Errorf("%q became %q, %v", h, again, err)
			}
		}
		h := Header{key1: {value1, value2}}
		h.Add(key2, value1)
		if h.Check() != nil {
			return
		}
		got, _, err := ParseHeader(AppendHeader(nil, h))
		if err != nil || !maps.EqualFunc(got, h, slices.Equal) {
			t.Errorf("Check accepted %q, which became %q, %v", h, got, err)
		}
	})
}
