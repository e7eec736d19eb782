package main

import (
	"errors"
	"io"
	"strings"
	"testing"

	"vigil/internal/cli"
)

// A wrong command line is told in one line before anything is begun.
func TestLessonFlags(t *testing.T) {
	for args, want := range map[string]string{
		"--scale 0":                        "bad scale: 0, want more than 0",
		"--scale NaN":                      "bad scale: NaN",
		"--scale 1e-12":                    "bad scale: 1e-12",
		"server --scale -1":                "bad scale: -1",
		"server --sleep -5s":               "sleep -5s: want 0 or more",
		"server --port 65536":              "port 65536: want 0 to 65535",
		"client localhost --port 0":        "port 0: want 1 to 65535",
		"client 127.0.0.1:43211":           `host "127.0.0.1:43211": want a name or an address; --port takes the port`,
		"client nats://localhost":          `host "nats://localhost"`,
		"client [localhost]":               `host "[localhost]"`,
		"client localhost --send 2":        "send 2: want 11 or 21",
		"client localhost --scale 99999":   "bad scale: 99999",
		"keepalive --idle 1500ms":          "idle 1.5s: want whole seconds",
		"keepalive --interval -1s":         "interval -1s",
		"keepalive --count 128":            "count 128: want 1 to 127",
		"probes --loss 1":                  "loss 1: want 0 to less than 1",
		"probes --count 3":                 "count 3: want 4 to",
		"probes --count 4 --loss 0.1,-0.1": "loss -0.1",
	} {
		cmd := lessonCommand()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetOut(io.Discard)
		cmd.SetArgs(strings.Fields(args))
		err := cmd.ExecuteContext(t.Context())
		var usage *cli.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v, want a usage error with %q", args, err, want)
		}
	}
}

// A host is a name or an address, and nothing else.
func TestHostOf(t *testing.T) {
	for arg, want := range map[string]string{
		"localhost": "localhost", "broker-1.example.": "broker-1.example.", "127.0.0.1": "127.0.0.1",
		"::1": "::1", "[::1]": "::1", "fe80::1%eth0": "fe80::1%eth0",
	} {
		if host, err := hostOf(arg); host != want || err != nil {
			t.Errorf("%q: %q, %v", arg, host, err)
		}
	}
	for _, arg := range []string{"", "[]", "[::1", "::1]", "[::1]:43211", "localhost:1", "a b"} {
		var usage *cli.UsageError
		if host, err := hostOf(arg); !errors.As(err, &usage) {
			t.Errorf("%q: %q, %v, want a usage error", arg, host, err)
		}
	}
}
