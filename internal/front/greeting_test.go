package front

import (
	"crypto/tls"
	"strings"
	"testing"

	"vigil/internal/wire"
)

func TestAmend(t *testing.T) {
	f := &Front{cfg: Config{TLS: &tls.Config{MinVersion: tls.VersionTLS12}, Guard: true}}
	line, err := f.amend([]byte("INFO {\"server_id\":\"N\",\"new_in_2030\":[1,{\"a\":2}]}\r\n"))
	if want := `INFO {"auth_required":true,"new_in_2030":[1,{"a":2}],"server_id":"N","tls_required":true}` + "\r\n"; err != nil || string(line) != want {
		t.Errorf("%q, %v; want %q", line, err, want)
	}
	for _, wrong := range []string{"", "PING\r\n", "INFO\r\n", "INFO {\r\n", "INFO []\r\n"} {
		if line, err := f.amend([]byte(wrong)); err == nil {
			t.Errorf("%q became %q", wrong, line)
		}
	}
}

// Whatever a broker begins with is refused, or remains one INFO that a client can read.
func FuzzAmend(f *testing.F) {
	f.Add("INFO {\"max_payload\":1}\r\n")
	f.Add("INFO null\r\n")
	front := &Front{cfg: Config{Guard: true}}
	f.Fuzz(func(t *testing.T, text string) {
		line, err := front.amend([]byte(text))
		if err != nil {
			return
		}
		arg, ok := strings.CutPrefix(strings.TrimSuffix(string(line), "\r\n"), "INFO ")
		if !ok || strings.ContainsAny(arg, "\r\n") {
			t.Errorf("%q became %q", text, line)
		}
		if info, err := wire.ParseInfo([]byte(arg)); err == nil && !info.AuthRequired {
			t.Errorf("%q became %q", text, line)
		}
	})
}

func TestLogin(t *testing.T) {
	for name, tc := range map[string]struct {
		login   Login
		connect string
		want    bool
	}{
		"user":           {Login{User: "a", Password: "b"}, `{"user":"a","pass":"b"}`, true},
		"wrong password": {Login{User: "a", Password: "b"}, `{"user":"a","pass":"c"}`, false},
		"no password":    {Login{User: "a", Password: "b"}, `{"user":"a"}`, false},
		"nothing":        {Login{Token: "t"}, `{}`, false},
		"token":          {Login{Token: "t"}, `{"auth_token":"t"}`, true},
		"token for user": {Login{User: "t"}, `{"auth_token":"t"}`, false},
		"unreadable":     {Login{Token: "t"}, `{`, false},
	} {
		f := &Front{cfg: Config{Login: tc.login}}
		if got := f.shows(&entry{kind: wire.Connect, arg: tc.connect}); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	if (&Front{}).shows(&entry{kind: wire.Sub}) {
		t.Error("a SUB shows a login")
	}
}
