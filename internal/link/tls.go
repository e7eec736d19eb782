package link

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
)

// Whether a connection is encrypted is decided once for a link, and never taken
// back: by a tls:// URL, wherever in the list it stands, by Config.TLS, or by the
// first broker that demands TLS and proves who it is. From then on every
// connection is, to whatever server: plain text is refused with ErrNoTLS.
//
// INFO comes in plain text before the handshake, unless TLSFirst is set. Of what
// it says only the nonce and the demand for TLS count; to other servers a broker
// can point only under TLS.

// ErrNoTLS is wrapped by the loss of an attempt at a broker that offers no TLS,
// where TLS is to be.
var ErrNoTLS = errors.New("the broker offers no TLS, and plain text is refused, since a tls:// URL, the configuration or an earlier broker demands TLS")

// TLSError says why TLS failed. Its text says what to look at.
type TLSError struct {
	Err error // of crypto/tls, crypto/x509 or the transport
}

// Error returns the reason and what to do about it.
func (e *TLSError) Error() string {
	if todo := e.todo(); todo != "" {
		return e.Err.Error() + "; " + todo
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *TLSError) Unwrap() error { return e.Err }

func (e *TLSError) todo() string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.As(e.Err, &authority):
		return "is the CA that signed the broker's certificate among those trusted?"
	case errors.As(e.Err, &host):
		return "put the name into the URL that the certificate is for"
	case errors.As(e.Err, &invalid):
		return "the broker needs another certificate"
	case errors.As(e.Err, &record):
		return "what answers speaks no TLS, or speaks before it: TLS first is for brokers with handshake_first alone"
	case isAlert(e.Err):
		return "the broker may want a client certificate, or another one"
	}
	return ""
}

// isAlert reports whether the peer ended TLS and said why. With TLS 1.3 that it
// did not like our certificate comes after the handshake.
func isAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// encrypt puts TLS over c if the link or the broker demands it.
func (l *Link) encrypt(c *conn) error {
	if c.tls != nil {
		return nil // TLSFirst, or Config.Dial
	}
	l.mu.Lock()
	demanded := l.pool.tls || c.server.scheme == schemeTLS // announced so
	l.mu.Unlock()
	switch {
	case !demanded && !c.info.TLSRequired:
		return nil
	case !c.info.TLSRequired && !c.info.TLSAvailable:
		c.giveUp(&Loss{Cause: CauseTLS, Err: ErrNoTLS})
		return c.loss
	case !c.in.empty():
		// Somebody on the way may have put it there, for us to take it for what
		// came under TLS.
		return c.protocol(errors.New("the broker goes on in plain text before TLS"))
	}
	c.info.ConnectURLs = nil
	return c.handshake()
}

// handshake puts TLS over c.
func (c *conn) handshake() error {
	l := c.link
	cfg := new(tls.Config)
	if l.cfg.TLS != nil {
		cfg = l.cfg.TLS.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = c.server.name
	}
	over := tls.Client(&socket{c.nc, c}, cfg)
	// Ends with the attempt, which closes the socket.
	if err := over.Handshake(); err != nil {
		c.giveUp(&Loss{Cause: CauseTLS, Err: &TLSError{fmt.Errorf("handshake: %w", err)}})
		return c.loss
	}
	c.tls, c.stream = over, over
	l.mu.Lock()
	l.pool.tls = true
	l.mu.Unlock()
	return nil
}

// noteTLS notes which version of TLS is in use.
func (c *conn) noteTLS() {
	if c.tls != nil {
		c.tlsVersion = tls.VersionName(c.tls.ConnectionState().Version)
	}
}

// anyTLS reports whether one of the servers was given with tls://.
func anyTLS(servers []server) bool {
	return slices.ContainsFunc(servers, func(s server) bool { return s.scheme == schemeTLS })
}
