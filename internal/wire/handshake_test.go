package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestAppendInfo(t *testing.T) {
	info := InfoLine{
		ServerID: "N1", ServerName: "n", Version: "2.15.2", Proto: 1, Host: "::", Port: 4222,
		MaxPayload: 1048576, ClientID: 6, ClientIP: "127.0.0.1",
	}
	const want = `INFO {"server_id":"N1","server_name":"n","version":"2.15.2","proto":1,` +
		`"host":"::","port":4222,"headers":false,"max_payload":1048576,` +
		`"client_id":6,"client_ip":"127.0.0.1"}` + " \r\n"
	if got := AppendInfo(nil, &info); string(got) != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestAppendConnect(t *testing.T) {
	const want = `CONNECT {"verbose":false,"pedantic":false,"echo":true,"headers":true,` +
		`"no_responders":true,"protocol":1,"name":"a\r\n\u003cb\u003e","user":"u","pass":"p"}` + "\r\n"
	got := AppendConnect(nil, &ConnectLine{
		Echo: true, Headers: true, NoResponders: true, Protocol: 1, Name: "a\r\n<b>", User: "u", Pass: "p",
	})
	if string(got) != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestParseInfo(t *testing.T) {
	info, err := ParseInfo([]byte(`{"server_id":"N1","LDM":true,"connect_urls":["a:1","b:2"],"jetstream":true,"client_id":18446744073709551615} `))
	want := &InfoLine{ServerID: "N1", LameDuck: true, ConnectURLs: []string{"a:1", "b:2"}, ClientID: 1<<64 - 1}
	if err != nil || !reflect.DeepEqual(info, want) {
		t.Errorf("got %+v, %v", info, err)
	}
	for says, text := range map[string]string{
		"nothing":                 "",
		"half an object":          `{"port":`,
		"a wrong type":            `{"port":"4222"}`,
		"a number out of range":   `{"port":1e400}`,
		"no object":               `[1]`,
		"something behind it":     `{} {}`,
		"an array without an end": strings.Repeat("[", 3000),
		"too deep an object":      strings.Repeat(`{"x":`, 20_000),
	} {
		if info, err := ParseInfo([]byte(text)); err == nil || info != nil {
			t.Errorf("%s: %+v, %v", says, info, err)
		} else if !strings.HasPrefix(err.Error(), "wire: INFO: ") {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestMerge(t *testing.T) {
	defaults := DefaultConnect()
	if want := (ConnectLine{Verbose: true, Pedantic: true, Echo: true}); defaults != want {
		t.Fatalf("defaults %+v", defaults)
	}
	cases := []struct {
		says, arg string
		from      ConnectLine
		want      ConnectLine
		fails     bool
	}{
		{"an empty object changes nothing", `{}`, defaults, defaults, false},
		{"null changes nothing", `null`, defaults, defaults, false},
		{"unknown keys are ignored", `{"x":[1,{"y":2}],"z":null}`, defaults, defaults, false},
		{"keys are named in any case", `{"VERBOSE":false,"Echo":false}`, defaults, ConnectLine{Pedantic: true}, false},
		{"the last of two equal keys counts", `{"name":"a","name":"b"}`, ConnectLine{}, ConnectLine{Name: "b"}, false},
		{"what a second CONNECT does not name stays", `{"verbose":true,"user":"v"}`,
			ConnectLine{Headers: true, Protocol: 1, Name: "n", User: "u", Pass: "p"},
			ConnectLine{Headers: true, Protocol: 1, Name: "n", User: "v", Pass: "p", Verbose: true}, false},
		{"a wrong type fails and leaves even the keys before it", `{"verbose":false,"user":"x","protocol":"1"}`, defaults, defaults, true},
		{"a string for a truth value fails", `{"echo":"false"}`, defaults, defaults, true},
		{"bad JSON fails", `{"verbose":false`, defaults, defaults, true},
		{"an array fails", `[]`, defaults, defaults, true},
		{"a huge number fails", `{"protocol":` + strings.Repeat("9", 400) + `}`, defaults, defaults, true},
		{"a fraction fails", `{"protocol":1.5}`, defaults, defaults, true},
		{"nothing fails", ``, defaults, defaults, true},
		{"3000 brackets fail", strings.Repeat("[", 3000), defaults, defaults, true},
		{"invalid UTF-8 is replaced", "{\"name\":\"a\xff\"}", ConnectLine{}, ConnectLine{Name: "a\ufffd"}, false},
	}
	for _, c := range cases {
		t.Run(c.says, func(t *testing.T) {
			got := c.from
			err := got.Merge([]byte(c.arg))
			if (err != nil) != c.fails || got != c.want {
				t.Errorf("got %+v, %v", got, err)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "wire: CONNECT: ") {
				t.Errorf("error text %q", err)
			}
		})
	}
}

// TestKeysOfTheHandshake checks that every field has a key of its own, in lower
// case: a misspelt tag would go unnoticed as an unknown key.
func TestKeysOfTheHandshake(t *testing.T) {
	for _, v := range []any{InfoLine{}, ConnectLine{}} {
		seen := map[string]bool{}
		for _, field := range reflect.VisibleFields(reflect.TypeOf(v)) {
			key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if key == "" || key != strings.ToLower(key) || seen[key] {
				t.Errorf("%T.%s has key %q", v, field.Name, key)
			}
			seen[key] = true
		}
		if _, err := json.Marshal(v); err != nil {
			t.Error(err)
		}
	}
}
