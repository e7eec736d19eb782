package main

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// talk is a connection to a running broker.
type talk struct{ net.Conn }

func (r *running) dial(t *testing.T) talk {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return talk{conn}
}

// say sends text and reads until want has come.
func (c talk) say(t *testing.T, text, want string) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	for got, buf := "", make([]byte, 4096); !strings.Contains(got, want); {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatalf("no %s: %v", want, err)
		}
		got += string(buf[:n])
	}
}
