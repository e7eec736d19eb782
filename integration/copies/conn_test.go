package copies_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// patience bounds every wait for the broker.
const patience = 30 * time.Second

// conn is a connection that speaks the protocol by hand. One goroutine reads.
type conn struct {
	net.Conn
	in    *bufio.Reader
	spans map[string]*span  // by sid
	ended map[string]string // those that are over, in words
}

func dial(addr string) (*conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	nc := &conn{Conn: c, in: bufio.NewReaderSize(c, 64<<10), spans: map[string]*span{}, ended: map[string]string{}}
	if err := nc.send("CONNECT {\"verbose\":false}\r\nPING\r\n"); err != nil {
		return nc, err
	}
	return nc, nc.untilPong()
}

func (c *conn) send(text string) error {
	_, err := io.WriteString(c, text)
	return err
}

// untilPong writes down the copies that arrive before the next PONG.
func (c *conn) untilPong() error {
	for {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		line, err := c.in.ReadString('\n')
		if err != nil {
			return err
		}
		f := strings.Fields(line)
		switch f[0] {
		case "PONG":
			return nil
		case "PING":
			err = c.send("PONG\r\n")
		case "MSG":
			err = c.note(f)
		case "INFO":
		default:
			err = fmt.Errorf("the broker says %q", line)
		}
		if err != nil {
			return err
		}
	}
}

// note writes a copy down.
func (c *conn) note(f []string) error {
	size, err := strconv.Atoi(f[len(f)-1])
	if err != nil || len(f) != 4 {
		return fmt.Errorf("the broker says %q", f)
	}
	payload := make([]byte, size+2)
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return err
	}
	var m one
	if _, err := fmt.Sscan(string(payload), &m.p, &m.n); err != nil || m.p < 0 || m.p >= publishers {
		return fmt.Errorf("payload %.40q: %w", payload, err)
	}
	if want := subjectOf(m.p, m.n); f[1] != want {
		return fmt.Errorf("message %d of %d came on %s, want %s", m.n, m.p, f[1], want)
	}
	s := c.spans[f[2]]
	if s == nil {
		return fmt.Errorf("message %d of %d came for the subscription %s behind its end (%s)", m.n, m.p, f[2], c.ended[f[2]])
	}
	s.copies = append(s.copies, m)
	return nil
}
