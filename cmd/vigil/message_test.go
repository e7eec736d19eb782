package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"vigil/publisher"
	"vigil/subscriber"
)

func TestFill(t *testing.T) {
	now := time.Date(2026, 1, 2, 15, 4, 5, 6, time.UTC)
	for in, want := range map[string]string{
		"":                       "",
		"plain":                  "plain",
		"{n} of {n}":             "7 of 7",
		"{{Count}}/{{ Count }}":  "7/7",
		"{{Time}} {{TimeStamp}}": "3:04PM 2026-01-02T15:04:05Z",
		"{{Unix}} {{UnixNano}}":  "1767366245 1767366245000000006",
		`{"a":{"n":1}}`:          `{"a":{"n":1}}`,
		"{{Nope}} {{ {n":         "{{Nope}} {{ {n",
		"{{n}}":                  "{7}",
		"{{{Count}}}":            "{7}",
	} {
		if got := fill(in, 7, now); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if a, b := fill("{{ID}}", 1, now), fill("{{ID}}", 1, now); a == b || len(a) < 20 {
		t.Errorf("ids %q and %q", a, b)
	}
}

// FuzzFill: what has no placeholder stays as it is, whatever braces it has.
func FuzzFill(f *testing.F) {
	f.Add("{n} {{Count}} {{ {")
	f.Fuzz(func(t *testing.T, text string) {
		got := fill(text, 1, time.Time{})
		if !strings.Contains(text, "{n}") && !strings.Contains(text, "}}") && got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func TestParseHeaders(t *testing.T) {
	h, err := parseHeaders([]string{"A: b", "A:c:d", "Empty:"})
	if want := (publisher.Header{"A": {"b", "c:d"}, "Empty": {""}}); err != nil || !reflect.DeepEqual(h, want) {
		t.Errorf("%v, %v", h, err)
	}
	for _, bad := range []string{"", "no colon", ":x", "a b\r\nc: d"} {
		if _, err := parseHeaders([]string{bad}); !isUsage(err) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Every line of --json can be read again, whatever is in a message.
func TestRecords(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for want, r := range map[string]record{
		`{"type":"message","time":"2026-01-02T03:04:05Z","subject":"a","data":""}`:                                             messageOf(&subscriber.Msg{Subject: "a"}, at),
		`{"type":"message","time":"2026-01-02T03:04:05Z","subject":"a","header":{"K":["v"]},"data":"<&>\n\"` + "\u2028" + `"}`: messageOf(&subscriber.Msg{Subject: "a", Header: subscriber.Header{"K": {"v"}}, Data: []byte("<&>\n\"\u2028")}, at),
		`{"type":"message","time":"2026-01-02T03:04:05Z","subject":"a","reply":"r","base64":"/w=="}`:                           messageOf(&subscriber.Msg{Subject: "a", Reply: "r", Data: []byte{0xff}}, at),
		`{"type":"event","time":"2026-01-02T03:04:05Z","event":"lost","server":"nats://a:1","cause":"closed by peer","unconfirmed":2,"text":"lost: nats://a:1: closed by peer; 2 messages (9 bytes) unconfirmed"}`: eventOf(subscriber.Event{
			Kind: subscriber.EventLost, At: at, Server: "nats://a:1", Loss: &subscriber.Loss{Cause: subscriber.CauseClosed}, Unconfirmed: subscriber.Tally{Messages: 2, Bytes: 9}}),
		`{"type":"event","time":"2026-01-02T03:04:05Z","event":"retrying","server":"nats://a:1","attempt":3,"text":"retrying: nats://a:1: attempt 3 in 0 ms (no)","error":"no"}`: eventOf(subscriber.Event{
			Kind: subscriber.EventRetrying, At: at, Next: at, Server: "nats://a:1", Attempt: 3, Err: errors.New("no")}),
	} {
		got := string(encode(r))
		want = strings.ReplaceAll(want, "\u2028", `\u2028`)
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if !json.Valid([]byte(got)) || strings.Contains(got, "\n") {
			t.Errorf("not one line of JSON: %s", got)
		}
	}
}

func TestPings(t *testing.T) {
	var p pings
	if r := p.record(); r.Pings != 0 || r.Min != nil || *r.Loss != 0 {
		t.Errorf("no PINGs: %+v", r)
	}
	for i := range 100 {
		p.add(time.Duration(100-i)*time.Millisecond, nil)
	}
	p.add(0, errors.New("lost"))
	r := p.record()
	if got := fmt.Sprintf("%d %d %.2f %v %v %v %v %v", r.Pings, *r.Answered, *r.Loss, *r.Min, *r.Avg, *r.P50, *r.P99, *r.Max); got != "101 100 0.99 1 50.5 50 99 100" {
		t.Error(got)
	}
	one := pings{}
	one.add(time.Millisecond, nil)
	if r := one.record(); *r.P50 != 1 || *r.P99 != 1 {
		t.Errorf("one PING: %+v", r)
	}
}

func TestResults(t *testing.T) {
	var r result
	l := limits{500 * time.Millisecond, time.Second}
	r.judge(timing{"connect_time", "Time", 10 * time.Millisecond, l}, "connected to nats://a|b")
	r.judge(timing{"rtt", "RTT", 600 * time.Millisecond, l}, "PING answered")
	if got, want := nagios(r), "WARNING: connected to nats://a/b in 10.0 ms; PING answered in 600.0 ms, over 500ms | connect_time=0.010000s;0.5000;1.0000 rtt=0.600000s;0.5000;1.0000\n"; got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	r.judge(timing{"x", "X", time.Second, l}, "slow")
	r.judge(timing{"y", "Y", time.Hour, limits{}}, "no limit")
	if r.status != statusCritical {
		t.Errorf("status %d", r.status)
	}
	if got, want := prometheus(result{took: r.took[:1]}, "ns"), `# HELP ns_connections_connect_time Time, in seconds
# TYPE ns_connections_connect_time gauge
ns_connections_connect_time{item="Connection"} 0.01
# HELP ns_connections_status_code Nagios compatible status code
# TYPE ns_connections_status_code gauge
ns_connections_status_code{item="Connection",status="OK"} 0
`; got != want {
		t.Errorf("got\n%s", got)
	}
	if got, want := resultJSON(result{status: 2, notes: []string{"no"}}), `{"status":"CRITICAL","code":2,"notes":["no"],"seconds":{}}`+"\n"; got != want {
		t.Errorf("got %s", got)
	}
}
