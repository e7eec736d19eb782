//go:build unix

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

var stopSignals = []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR2}

// A lame duck keeps its clients for a while; SIGTERM cuts that short.
func TestBrokerLameDuck(t *testing.T) {
	r := runBroker(t, "-p", "-1")
	addr := strings.TrimPrefix(r.url, "nats://")
	c := r.dial(t)
	say := func(text, want string) {
		t.Helper()
		c.say(t, text, want)
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

// SIGHUP, which reloads nats-server's configuration and ends a program that does
// not know it, is told and changes nothing: the client is served, the files stay
// until the end and go then.
func TestBrokerIgnoresHangup(t *testing.T) {
	dir := t.TempDir()
	pid := filepath.Join(dir, "pid")
	r := runBroker(t, "-p", "-1", "-D", "-P", pid, "--ports_file_dir", dir)
	c := r.dial(t)
	c.say(t, "CONNECT {}\r\nPING\r\n", "PONG")
	for range 2 {
		if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	r.errors.await(t, "SIGHUP is ignored")
	c.say(t, "PING\r\n", "PONG")
	r.dial(t).say(t, "PING\r\n", "PONG")
	if left, err := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("files %v (error %v), want those of the pid and the ports", left, err)
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	empty(t, dir)
}
