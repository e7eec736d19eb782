package link

import (
	"net"
	"time"
)

// socket is the transport as what runs over it sees it, TLS or the protocol
// itself. Whatever byte comes is life, also those of a TLS record that is not
// complete yet; and what is no more than a hint against the peer is passed on to
// the watcher and is no error here: TLS would not go on after one.
type socket struct {
	net.Conn
	c *conn
}

func (s *socket) Read(b []byte) (int, error) {
	for {
		n, err := s.Conn.Read(b)
		if n > 0 {
			s.c.hear(time.Now())
			if s.c.suspect.Load() {
				token(s.c.poke)
			}
			return n, nil // an error comes again
		}
		if err == nil || !s.c.isHint(err) {
			return 0, err
		}
	}
}

// Write writes all of b, whatever the network reports meanwhile.
func (s *socket) Write(b []byte) (written int, err error) {
	for {
		n, err := s.Conn.Write(b[written:])
		written += n
		if err == nil || !s.c.isHint(err) {
			return written, err
		}
	}
}

// below returns the transport at the bottom of nc: Config.Dial may have put TLS
// over it.
func below(nc net.Conn) net.Conn {
	for {
		over, ok := nc.(layer)
		if !ok {
			return nc
		}
		nc = over.NetConn()
	}
}

// layer is what runs over another transport, such as a *tls.Conn.
type layer interface{ NetConn() net.Conn }

// layered reports whether nc runs over another transport, which may not survive
// a hint.
func layered(nc net.Conn) bool {
	_, ok := nc.(layer)
	return ok
}
