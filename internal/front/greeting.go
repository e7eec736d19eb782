package front

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"time"

	"vigil/internal/wire"
)

const (
	// infoLimit bounds the INFO of a broker, in bytes.
	infoLimit = 64 << 10
	// handshakeTimeout bounds a TLS handshake.
	handshakeTimeout = 10 * time.Second
)

var errNoInfo = errors.New("the broker does not begin with INFO")

// greet brings the client what the broker begins with. The INFO is changed where
// the front has something to add; with TLS the client is then expected to begin a
// handshake.
func (c *conn) greet() error {
	if c.f.cfg.TLS == nil && !c.f.cfg.Guard {
		return nil
	}
	line, err := readInfo(c.backend)
	if err != nil {
		return err
	}
	if line, err = c.f.amend(line); err != nil {
		return err
	}
	if c.f.cfg.TLS == nil {
		c.arrived(FromBroker, line, nil)
		return nil
	}
	if _, err := c.raw.Write(line); err != nil {
		return err
	}
	secure := tls.Server(c.raw, c.f.cfg.TLS)
	err = c.handshake(secure)
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.state != stateOpen {
		return net.ErrClosed
	}
	c.shaking = false
	if err != nil {
		c.f.note(c.rec, "TLS handshake failed: %v", err)
		return err
	}
	c.stream = secure
	return nil
}

// handshake makes a TLS handshake.
func (c *conn) handshake(secure *tls.Conn) error {
	c.f.mu.Lock()
	open := c.state == stateOpen
	c.shaking = true
	c.f.mu.Unlock()
	if !open {
		return net.ErrClosed
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	return secure.HandshakeContext(ctx)
}

// readInfo reads one line.
func readInfo(backend net.Conn) ([]byte, error) {
	var line []byte
	one := make([]byte, 1) // a pipe hands over what is asked for, and keeps the rest
	for len(line) < infoLimit {
		n, err := backend.Read(one)
		if n == 0 && err != nil {
			return nil, err
		}
		if line = append(line, one[:n]...); line[len(line)-1] == '\n' {
			return line, nil
		}
	}
	return nil, errNoInfo
}

// amend adds to an INFO what the front demands of clients. What it does not know
// stays as it is.
func (f *Front) amend(line []byte) ([]byte, error) {
	text, ok := strings.CutPrefix(string(line), "INFO ")
	if !ok {
		return nil, errNoInfo
	}
	var info map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &info); err != nil || info == nil {
		return nil, errNoInfo
	}
	yes := json.RawMessage("true")
	if f.cfg.TLS != nil {
		info["tls_required"] = yes
	}
	if f.cfg.Guard {
		info["auth_required"] = yes
	}
	arg, err := json.Marshal(info)
	if err != nil {
		return nil, err
	}
	return append(append([]byte("INFO "), arg...), "\r\n"...), nil
}

// violation is nats-server's text.
const violation = "Authorization Violation"

// permitted reports whether the client has shown the login that is wanted, if
// operations say anything about it. If it has not, it is told and turned away.
func (c *conn) permitted(entries []entry) bool {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.authorized || len(entries) == 0 {
		return true
	}
	if c.authorized = c.f.shows(&entries[0]); c.authorized {
		return true
	}
	c.f.note(c.rec, "is refused: wrong login")
	c.from.put(time.Now(), wire.AppendErr(nil, violation), 0)
	c.from.ended = true
	c.cond.Broadcast()
	return false
}

// shows reports whether an operation is a CONNECT with the login.
func (f *Front) shows(e *entry) bool {
	connect := wire.DefaultConnect()
	if e.kind != wire.Connect || connect.Merge([]byte(e.arg)) != nil {
		return false
	}
	return f.cfg.Login == Login{connect.User, connect.Pass, connect.AuthToken}
}
