package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/cli"
)

// contexts makes a home for contexts and selects one, "" for none.
func contexts(t *testing.T, selected string, files map[string]string) (home string) {
	t.Helper()
	home = t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	for _, name := range []string{"URL", "USER", "PASSWORD", "TOKEN", "CREDS", "NKEY", "JWT", "SEED", "CERT", "KEY", "CA", "CONTEXT"} {
		t.Setenv("NATS_"+name, "")
	}
	dir := filepath.Join(home, "nats", "context")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if selected != "" {
		if err := os.WriteFile(filepath.Join(home, "nats", "context.txt"), []byte(selected+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

// A flag goes before the environment, and that before the context; who one is
// comes whole from one of them.
func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		why                string
		flags, env, chosen settings
		want               settings
		method             string // where the identity is from
	}{
		{why: "nothing"},
		{why: "the context alone", chosen: settings{URL: "c", User: "cu", Password: "cp", CA: "ca", TLSFirst: true},
			want: settings{URL: "c", User: "cu", Password: "cp", CA: "ca", TLSFirst: true}, method: `the password of user "cu"`},
		{why: "the environment's URL, the context's identity", env: settings{URL: "e"}, chosen: settings{URL: "c", Creds: "c.creds"},
			want: settings{URL: "e", Creds: "c.creds"}, method: "the credentials file c.creds"},
		{why: "a flag's identity hides the others", flags: settings{NKey: "n"}, env: settings{User: "eu", Password: "ep"}, chosen: settings{Creds: "c"},
			want: settings{NKey: "n"}, method: "the seed file n"},
		{why: "a password from the environment", flags: settings{User: "u"}, env: settings{Password: "ep"}, chosen: settings{Creds: "c"},
			want: settings{User: "u", Password: "ep"}, method: `the password of user "u"`},
		{why: "no password of somebody else", flags: settings{User: "u"}, env: settings{User: "other", Password: "ep"},
			want: settings{User: "u"}, method: "the token"},
		{why: "a user from the environment", flags: settings{Password: "p"}, env: settings{User: "eu", Password: "ep"},
			want: settings{User: "eu", Password: "p"}, method: `the password of user "eu"`},
		{why: "a flag hides who the environment's URL names", flags: settings{User: "u", Password: "p"}, env: settings{URL: "nats://other:pw@a,tok@b,tls://c"},
			want: settings{User: "u", Password: "p", URL: "nats://a,b,tls://c"}, method: `the password of user "u"`},
		{why: "who is named beside a URL hides nobody in it", env: settings{URL: "nats://u:p@a", User: "x"}, chosen: settings{URL: "nats://b"},
			want: settings{URL: "nats://u:p@a", User: "x"}, method: "the token"},
		{why: "a certificate comes with its key", flags: settings{Cert: "f"}, chosen: settings{Cert: "c", Key: "k"}, want: settings{Cert: "f"}},
		{why: "a token", env: settings{Token: "t"}, want: settings{Token: "t"}, method: "the token"},
	} {
		got := tc.flags.over(tc.env).over(tc.chosen)
		if got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.why, got, tc.want)
		}
		source := ""
		if m := got.method(); m != nil {
			id, _ := m(t.Context(), "") // the files are not there
			source = id.Source
		}
		if source != tc.method {
			t.Errorf("%s: identifies by %q, want %q", tc.why, source, tc.method)
		}
	}
}

func TestContexts(t *testing.T) {
	home := contexts(t, "one", map[string]string{
		"one":   `{"description":"","url":"nats://one","user":"u","password":"p","jetstream_domain":"x","color_scheme":""}`,
		"two":   `{"url":"tls://two","creds":"~/two.creds","ca":"file:///etc/ca.pem","tls_first":true}`,
		"bad":   `{"url":`,
		"socks": `{"socks_proxy":"socks5://x"}`,
		"op":    `{"creds":"op://vault/item"}`,
	})
	t.Setenv("HOME", home)
	if s, err := loadContext(""); err != nil || s.URL != "nats://one" || s.User != "u" || s.Password != "p" {
		t.Errorf("the selected one: %+v, %v", s, err)
	}
	if s, err := loadContext("two"); err != nil || s.URL != "tls://two" || s.Creds != filepath.Join(home, "two.creds") || s.CA != "/etc/ca.pem" || !s.TLSFirst {
		t.Errorf("a named one: %+v, %v", s, err)
	}
	for name, want := range map[string]string{
		"bad": "unexpected end", "socks": "socks_proxy is not supported", "op": "op:// is not supported",
		"gone": "there is: bad one op socks two", "../one": "no path", "..": "no path",
	} {
		if _, err := loadContext(name); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := loadContext("gone"); !isUsage(err) {
		t.Errorf("a context that is not there: %v is no wrong command line", err)
	}
	for _, selected := range []string{"gone", "", " "} {
		contexts(t, selected, nil)
		if s, err := loadContext(""); err != nil || s != (settings{}) {
			t.Errorf("selected is %q: %+v, %v", selected, s, err)
		}
	}
}

func isUsage(err error) bool {
	_, ok := errors.AsType[*cli.UsageError](err)
	return ok
}

func FuzzContext(f *testing.F) {
	f.Add(`{"url":"nats://one","creds":"~/x"}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseContext([]byte(text))
		if err != nil {
			return
		}
		if s.SocksProxy != "" || strings.Contains(s.Creds, "://") && !strings.Contains(text, "://") {
			t.Fatalf("%q is taken: %+v", text, s)
		}
		if s.identifies() != (s.method() != nil) {
			t.Fatalf("%q: identifies %v", text, s.identifies())
		}
	})
}
