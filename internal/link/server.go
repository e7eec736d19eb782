package link

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// defaultPort is where NATS brokers listen.
const defaultPort = "4222"

// The schemes of URLs.
const (
	schemePlain = "nats" // TLS if the broker demands it
	schemeTLS   = "tls"
)

// wanted completes the errors for what is no server's URL.
const wanted = "want nats://host:4222, or tls:// for TLS"

// URLError says why a server URL was refused. Its text holds no password.
type URLError struct {
	URL string // as given, with all that stands before @ left out
	Err error
}

// Error returns the URL and the reason.
func (e *URLError) Error() string {
	return "link: server URL " + strconv.Quote(e.URL) + ": " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *URLError) Unwrap() error { return e.Err }

// server is one address to connect to, with the credentials for it.
type server struct {
	scheme            string
	address           string // host:port
	name              string // whom its certificate must be for
	user, pass, token string
}

// String returns the address as a URL without credentials.
func (s server) String() string { return s.scheme + "://" + s.address }

// parseServers parses a comma-separated list of server URLs.
func parseServers(list string) ([]server, error) {
	var servers []server
	for rest, more := list, true; more; {
		var text string
		text, rest, more = strings.Cut(rest, ",")
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		s, err := parseServer(text)
		if err != nil {
			if splitsPassword(rest) {
				err = &URLError{"xxxxx", errors.New("no URL; in a user or password write a comma as %2C")}
			}
			return nil, err
		}
		if len(servers) == maxServers {
			return nil, fmt.Errorf("link: more than %d server URLs", maxServers)
		}
		servers = append(servers, s)
	}
	if len(servers) == 0 {
		return nil, &URLError{list, errors.New("no server named; " + wanted)}
	}
	return servers, nil
}

// splitsPassword reports whether what follows a comma may be the rest of a
// password that holds one.
func splitsPassword(rest string) bool {
	next, _, _ := strings.Cut(rest, ",")
	return strings.Contains(next, "@") && !strings.Contains(next, "://")
}

// parseServer parses nats://[user[:password]@]host[:port], or tls://, where the
// scheme may be left out. A user without a password is a token.
func parseServer(text string) (server, error) {
	full := text
	if !strings.Contains(text, "://") {
		full = schemePlain + "://" + text
	}
	shown := redact(text)
	wrong := func(format string, args ...any) (server, error) {
		return server{}, &URLError{shown, fmt.Errorf(format, args...)}
	}
	u, err := url.Parse(full)
	switch {
	case err != nil && shown != text:
		// What package url says of it may show a part of the password.
		return wrong("no URL; %s, and in a user or password %%40 for @, %%2F for / and so on", wanted)
	case err != nil:
		return wrong("%w", errors.Unwrap(err))
	case u.Scheme != schemePlain && u.Scheme != schemeTLS:
		return wrong("scheme %q: %s", u.Scheme, wanted)
	case u.Hostname() == "":
		return wrong("no host; %s", wanted)
	case strings.Contains(u.Hostname(), ":") && !strings.HasPrefix(u.Host, "["):
		return wrong("an IPv6 address stands in brackets: nats://[::1]:4222")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return wrong("something follows the port; %s", wanted)
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return wrong("port %s: want 1 to 65535", port)
	}
	s := server{scheme: u.Scheme, address: net.JoinHostPort(u.Hostname(), port), name: u.Hostname()}
	if u.User != nil {
		s.user = u.User.Username()
		pass, has := u.User.Password()
		if s.pass = pass; !has {
			s.token, s.user = s.user, ""
		}
	}
	return s, nil
}

// redact leaves out what stands between the scheme and the last @: a user, a
// password, a token.
func redact(text string) string {
	i := strings.LastIndexByte(text, '@')
	if i < 0 {
		return text
	}
	scheme := ""
	if before, _, found := strings.Cut(text[:i], "://"); found {
		scheme = before + "://"
	}
	return scheme + "xxxxx" + text[i:]
}
