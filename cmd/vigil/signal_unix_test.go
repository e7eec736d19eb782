//go:build unix

package main

import (
	"net"
	"strings"
	"syscall"
	"testing"
)

var stopSignals = []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR2}

// A lame duck keeps its clients for a while; SIGTERM cuts that short.
func TestBrokerLameDuck(t *testing.T) {
	r := runBroker(t, "-p", "-1")
	addr := strings.TrimPrefix(r.url, "nats://")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	say := func(text, want string) {
		t.Helper()
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		for got, buf := "", make([]byte, 4096); !strings.Contains(got, want); {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("no %s: %v", want, err)
			}
			got += string(buf[:n])
		}
	}
	say("CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n", `"connect_info":true`)
	if err := r.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	say("", `"ldm":true`)
	if extra, err := net.Dial("tcp", addr); err == nil {
		extra.Close()
		t.Error("the broker still listens")
	}
	say("PING\r\n", "PONG")
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.ends(t)
}
