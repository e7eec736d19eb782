package wire

import (
	"reflect"
	"strings"
	"testing"
)

var headerCases = []struct {
	says, block string
	want        Header
	status      Status
	fails       bool
}{
	{"no keys", "NATS/1.0\r\n\r\n", Header{}, Status{}, false},
	{"one key", "NATS/1.0\r\nA: b\r\n\r\n", Header{"A": {"b"}}, Status{}, false},
	{"several values keep their order", "NATS/1.0\r\nA: 2\r\nB: x\r\nA: 1\r\n\r\n", Header{"A": {"2", "1"}, "B": {"x"}}, Status{}, false},
	{"keys keep their case", "NATS/1.0\r\na: 1\r\nA: 2\r\n\r\n", Header{"a": {"1"}, "A": {"2"}}, Status{}, false},
	{"a value may be empty", "NATS/1.0\r\nA:\r\nB: \r\n\r\n", Header{"A": {""}, "B": {""}}, Status{}, false},
	{"no blank is needed before a value", "NATS/1.0\r\nA:b\r\n\r\n", Header{"A": {"b"}}, Status{}, false},
	{"all blanks before a value go", "NATS/1.0\r\nA: \t b\r\n\r\n", Header{"A": {"b"}}, Status{}, false},
	{"blanks behind a value stay", "NATS/1.0\r\nA: b \t\r\n\r\n", Header{"A": {"b \t"}}, Status{}, false},
	{"a value may hold colons", "NATS/1.0\r\nA: b:c: d\r\n\r\n", Header{"A": {"b:c: d"}}, Status{}, false},
	{"a value may hold any byte but line ends", "NATS/1.0\r\nA: \x00\xff\x7f\r\n\r\n", Header{"A": {"\x00\xff\x7f"}}, Status{}, false},
	{"a lone line feed ends a line", "NATS/1.0\nA: b\nC: d\n\n", Header{"A": {"b"}, "C": {"d"}}, Status{}, false},
	{"what stands behind the empty line is ignored", "NATS/1.0\r\nA: b\r\n\r\nC: d\r\n\r\n", Header{"A": {"b"}}, Status{}, false},
	{"a status", "NATS/1.0 503\r\n\r\n", Header{}, Status{Code: 503}, false},
	{"a status with a text", "NATS/1.0 404 No Messages\r\nA: b\r\n\r\n", Header{"A": {"b"}}, Status{404, "No Messages"}, false},
	{"a status with a tab and more blanks", "NATS/1.0  100\t Idle \r\n\r\n", Header{}, Status{100, "Idle"}, false},
	{"no responders", "NATS/1.0 503\r\nNats-Subject: foo\r\n\r\n", Header{"Nats-Subject": {"foo"}}, Status{Code: StatusNoResponders}, false},
	{"a status that is no number", "NATS/1.0 x\r\n\r\n", nil, Status{}, true},
	{"a negative status", "NATS/1.0 -1\r\n\r\n", nil, Status{}, true},
	{"a status of twenty digits", "NATS/1.0 99999999999999999999\r\n\r\n", nil, Status{}, true},
	{"nothing", "", nil, Status{}, true},
	{"another version", "NATS/2.0\r\n\r\n", nil, Status{}, true},
	{"another case of the version", "nats/1.0\r\n\r\n", nil, Status{}, true},
	{"only an end", "\r\n\r\n", nil, Status{}, true},
	{"no end of the first line", "NATS/1.0", nil, Status{}, true},
	{"no empty line", "NATS/1.0\r\nA: b\r\n", nil, Status{}, true},
	{"no end of the last line", "NATS/1.0\r\nA: b", nil, Status{}, true},
	{"a line without a colon", "NATS/1.0\r\nA\r\n\r\n", nil, Status{}, true},
	{"a line without a key", "NATS/1.0\r\n: b\r\n\r\n", nil, Status{}, true},
}

func TestParseHeader(t *testing.T) {
	for _, c := range headerCases {
		t.Run(c.says, func(t *testing.T) {
			got, status, err := ParseHeader([]byte(c.block))
			if !reflect.DeepEqual(got, c.want) || status != c.status || (err != nil) != c.fails {
				t.Errorf("ParseHeader(%q) = %q, %+v, %v", c.block, got, status, err)
			}
		})
	}
}

func TestHeaderCheck(t *testing.T) {
	cases := []struct {
		says  string
		h     Header
		wants string // a part of the error, "" for none
	}{
		{"nil", nil, ""},
		{"ordinary", Header{"Nats-Msg-Id": {"1", ""}, "x_y.z!~": {"ä \x00\tb "}}, ""},
		{"a key without values", Header{"A": nil}, ""},
		{"an empty key", Header{"": {"b"}}, "empty key"},
		{"a colon in a key", Header{"A:": {"b"}}, "not allowed"},
		{"a blank in a key", Header{"A B": {"c"}}, "not allowed"},
		{"a blank at a key's start", Header{" A": {"c"}}, "not allowed"},
		{"a line end in a key", Header{"A\r\nB": {"c"}}, "not allowed"},
		{"a control character in a key", Header{"A\x00": {"c"}}, "not allowed"},
		{"DEL in a key", Header{"A\x7f": {"c"}}, "not allowed"},
		{"a key that is not ASCII", Header{"Ä": {"c"}}, "not allowed"},
		{"a bad key without values", Header{"A:": nil}, "not allowed"},
		{"CRLF in a value", Header{"A": {"b\r\nEvil: 1"}}, "line end"},
		{"LF in a value", Header{"A": {"b\nEvil: 1"}}, "line end"},
		{"CR in a value", Header{"A": {"b\r"}}, "line end"},
		{"a line end in the second value", Header{"A": {"b", "\n"}}, "line end"},
		{"a blank at a value's start", Header{"A": {" b"}}, "blank"},
		{"a tab at a value's start", Header{"A": {"\tb"}}, "blank"},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			err := c.h.Check()
			if (err == nil) != (c.wants == "") || err != nil && !strings.Contains(err.Error(), c.wants) {
				t.Errorf("Check(%q) = %v, want %q", c.h, err, c.wants)
			}
		})
	}
}

func TestHeaderAccess(t *testing.T) {
	h := Header{"b": {"lower"}, "B": {"upper"}, "cc": {"1"}, "Cc": {"2"}, "none": nil, "NONE": {"some"}}
	for key, want := range map[string]string{
		"b": "lower", "B": "upper", "CC": "2", "none": "some", "absent": "", "": "",
	} {
		for range 20 { // maps are walked in another order every time
			if got := h.Get(key); got != want {
				t.Fatalf("Get(%q) = %q, want %q", key, got, want)
			}
		}
	}
	if got := Header(nil).Get("a"); got != "" {
		t.Errorf("Get of nil = %q", got)
	}
	h = Header{}
	h.Add("a", "1")
	h.Add("a", "2")
	h.Set("b", "3")
	h.Set("b", "4")
	if want := (Header{"a": {"1", "2"}, "b": {"4"}}); !reflect.DeepEqual(h, want) {
		t.Errorf("got %q", h)
	}
}
