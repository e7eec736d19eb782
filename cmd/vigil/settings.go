package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"vigil/auth"
	"vigil/internal/cli"
)

// settings say how to reach a broker, and as whom. The names are those of the
// files in which the nats tool keeps its contexts.
type settings struct {
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
	Token    string `json:"token"`
	Creds    string `json:"creds"`
	NKey     string `json:"nkey"`
	JWT      string `json:"user_jwt"`
	Seed     string `json:"user_seed"`
	Cert     string `json:"cert"`
	Key      string `json:"key"`
	CA       string `json:"ca"`
	TLSFirst bool   `json:"tls_first"`

	InboxPrefix string `json:"inbox_prefix"`

	// What cannot be obeyed, and must not be passed over.
	SocksProxy string `json:"socks_proxy"`
	NSC        string `json:"nsc"`
	CertStore  string `json:"windows_cert_store"`
}

// environment returns what the nats tool's environment variables say.
func environment() settings {
	return settings{
		URL:  os.Getenv("NATS_URL"),
		User: os.Getenv("NATS_USER"), Password: os.Getenv("NATS_PASSWORD"), Token: os.Getenv("NATS_TOKEN"),
		Creds: os.Getenv("NATS_CREDS"), NKey: os.Getenv("NATS_NKEY"), JWT: os.Getenv("NATS_JWT"), Seed: os.Getenv("NATS_SEED"),
		Cert: os.Getenv("NATS_CERT"), Key: os.Getenv("NATS_KEY"), CA: os.Getenv("NATS_CA"),
		InboxPrefix: os.Getenv("NATS_INBOX_PREFIX"),
	}
}

// over returns s, and where it says nothing what lower does. Who one is, and a
// certificate with its key, are taken from one of the two; a password may come
// from below a user. Whoever a URL from below names has no say then.
func (s settings) over(lower settings) settings {
	if s.identifies() {
		lower.URL = withoutUser(lower.URL)
	}
	switch {
	case !s.identifies():
		s.User, s.Token, s.Creds, s.NKey, s.JWT, s.Seed = lower.User, lower.Token, lower.Creds, lower.NKey, lower.JWT, lower.Seed
		s.Password = cmp.Or(s.Password, lower.Password)
	case s.User != "" && s.Password == "" && (lower.User == "" || lower.User == s.User):
		s.Password = lower.Password
	}
	if s.Cert == "" && s.Key == "" {
		s.Cert, s.Key = lower.Cert, lower.Key
	}
	s.URL, s.CA = cmp.Or(s.URL, lower.URL), cmp.Or(s.CA, lower.CA)
	s.TLSFirst = s.TLSFirst || lower.TLSFirst
	s.InboxPrefix = cmp.Or(s.InboxPrefix, lower.InboxPrefix)
	s.SocksProxy, s.NSC, s.CertStore = lower.SocksProxy, lower.NSC, lower.CertStore
	return s
}

// withoutUser returns a list of URLs without users, passwords and tokens.
func withoutUser(urls string) string {
	list := strings.Split(urls, ",")
	for i, url := range list {
		scheme, rest, found := strings.Cut(url, "://")
		if !found {
			scheme, rest = "", url
		} else {
			scheme += "://"
		}
		list[i] = scheme + rest[strings.LastIndexByte(rest, '@')+1:]
	}
	return strings.Join(list, ",")
}

// identifies reports whether s says who one is.
func (s settings) identifies() bool {
	return s.User != "" || s.Token != "" || s.Creds != "" || s.NKey != "" || s.JWT != "" || s.Seed != ""
}

// method returns the method to identify with, nil for none.
func (s settings) method() auth.Method {
	switch {
	case s.Creds != "":
		return auth.Credentials(s.Creds)
	case s.NKey != "":
		return auth.NKey(s.NKey)
	case s.JWT != "" || s.Seed != "":
		return auth.JWT(s.JWT, s.Seed)
	case s.Token != "":
		return auth.Token(s.Token)
	case s.User != "" && s.Password == "":
		return auth.Token(s.User) // as the nats tool has it
	case s.User != "":
		return auth.Password(s.User, s.Password)
	}
	return nil
}

// maxContext bounds a context's file, in bytes.
const maxContext = 1 << 20

// contextDir returns where the nats tool keeps its contexts: NAME.json each, and
// beside the directory context.txt with the name of the selected one.
func contextDir() (string, error) {
	root := os.Getenv("XDG_CONFIG_HOME")
	if root == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		root = filepath.Join(home, ".config")
	}
	return filepath.Join(root, "nats", "context"), nil
}

// contextNames returns the names of the contexts there are.
func contextNames() []string {
	dir, err := contextDir()
	if err != nil {
		return nil
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".json"); ok && !f.IsDir() {
			names = append(names, name)
		}
	}
	return names
}

// loadContext returns the named context, or the selected one when name is empty.
// That none is selected, or one that is gone, is no error.
func loadContext(name string) (settings, error) {
	dir, err := contextDir()
	if err != nil {
		if name == "" {
			return settings{}, nil
		}
		return settings{}, err
	}
	asked := name != ""
	if !asked {
		text, err := readSmall(filepath.Join(filepath.Dir(dir), "context.txt"))
		if err != nil {
			return settings{}, nil
		}
		if name = strings.TrimSpace(string(text)); name == "" {
			return settings{}, nil
		}
	}
	if name != filepath.Base(name) || name == "." || name == ".." {
		return settings{}, cli.Usagef("context %q: want a name, no path", name)
	}
	text, err := readSmall(filepath.Join(dir, name+".json"))
	switch {
	case errors.Is(err, fs.ErrNotExist) && !asked:
		return settings{}, nil
	case errors.Is(err, fs.ErrNotExist):
		return settings{}, cli.Usagef("context %q: there is none in %s; there is: %s", name, dir, strings.Join(contextNames(), " "))
	case err != nil:
		return settings{}, fmt.Errorf("context %q: %w", name, err)
	}
	s, err := parseContext(text)
	if err != nil {
		return settings{}, fmt.Errorf("context %q: %w", name, err)
	}
	return s, nil
}

// parseContext returns what the file of a context says.
func parseContext(text []byte) (s settings, err error) {
	if err := json.Unmarshal(text, &s); err != nil {
		return settings{}, err
	}
	return s, s.resolve()
}

// resolve makes paths of what a context says, and refuses what it asks for and
// cannot be had: to do without would be to connect otherwise than was asked.
func (s *settings) resolve() error {
	for what, value := range map[string]string{"socks_proxy": s.SocksProxy, "nsc": s.NSC, "windows_cert_store": s.CertStore} {
		if value != "" {
			return fmt.Errorf("%s is not supported", what)
		}
	}
	for what, path := range map[string]*string{"creds": &s.Creds, "nkey": &s.NKey, "cert": &s.Cert, "key": &s.Key, "ca": &s.CA} {
		if scheme, rest, found := strings.Cut(*path, "://"); found {
			if scheme != "file" {
				return fmt.Errorf("%s: %s:// is not supported; name a file", what, scheme)
			}
			*path = rest
		}
		if rest, found := strings.CutPrefix(*path, "~/"); found {
			home, err := os.UserHomeDir()
			if err != nil {
				return err
			}
			*path = filepath.Join(home, rest)
		}
	}
	return nil
}

// readSmall reads a file of a context's size.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxContext+1))
	if err == nil && len(text) > maxContext {
		err = fmt.Errorf("%s: more than %d bytes", path, maxContext)
	}
	return text, err
}
