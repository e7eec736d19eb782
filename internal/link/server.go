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

// ErrTLS is wrapped by the error for a URL, or a broker, that wants TLS.
var ErrTLS = errors.New("TLS is not supported yet")

// URLError says why a server URL was refused. Its text holds no password.
type URLError struct {
	URL string // as given, with the password left out
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
	address           string // host:port
	user, pass, token string
}

// String returns the address as a URL without credentials.
func (s server) String() string { return "nats://" + s.address }

// parseServers parses a comma-separated list of server URLs.
func parseServers(list string) ([]server, error) {
	var servers []server
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		s, err := parseServer(text)
		if err != nil {
			return nil, err
		}
		if len(servers) == maxServers {
			return nil, fmt.Errorf("link: more than %d server URLs", maxServers)
		}
		servers = append(servers, s)
	}
	if len(servers) == 0 {
		return nil, &URLError{list, errors.New("no server named; want nats://host:4222")}
	}
	return servers, nil
}

// parseServer parses nats://[user[:password]@]host[:port], where the scheme
// may be left out. A user without a password is a token.
func parseServer(text string) (server, error) {
	full := text
	if !strings.Contains(text, "://") {
		full = "nats://" + text
	}
	u, err := url.Parse(full)
	if err != nil {
		// A url.Error repeats the URL, and with it the password.
		return server{}, &URLError{redact(text), errors.Unwrap(err)}
	}
	shown := u.Redacted()
	switch u.Scheme {
	case "nats":
	case "tls", "wss", "opentls":
		return server{}, &URLError{shown, fmt.Errorf("scheme %s: %w", u.Scheme, ErrTLS)}
	default:
		return server{}, &URLError{shown, fmt.Errorf("scheme %q: want nats://host:4222", u.Scheme)}
	}
	if u.Hostname() == "" {
		return server{}, &URLError{shown, errors.New("no host; want nats://host:4222")}
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return server{}, &URLError{shown, errors.New("something follows the port; want nats://host:4222")}
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return server{}, &URLError{shown, fmt.Errorf("port %s: want 1 to 65535", port)}
	}
	s := server{address: net.JoinHostPort(u.Hostname(), port)}
	if u.User != nil {
		s.user = u.User.Username()
		pass, has := u.User.Password()
		if s.pass = pass; !has {
			s.token, s.user = s.user, ""
		}
	}
	return s, nil
}

// redact leaves out what stands before an @, for a URL that cannot be parsed.
func redact(text string) string {
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		return "xxxxx" + text[i:]
	}
	return text
}
