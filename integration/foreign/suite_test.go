package foreign_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"vigil/broker/brokertest"
)

// The official JavaScript client goes through every fault: with its defaults, whose
// PINGs are 2 min apart, and with others that find a silent broker in time.
func TestJavaScriptSurvives(t *testing.T) {
	dir := needModules(t)
	for name, c := range map[string]brokertest.Client{
		"defaults": {Start: jsClient(dir, `{}`)},
		"tuned":    {Start: jsClient(dir, `{"pingInterval": 400, "maxPingOut": 2, "reconnectTimeWait": 50, "timeout": 2000}`), Notice: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) { brokertest.Suite(t, c) })
	}
}

// jsClient returns how js/suite.mjs is run.
func jsClient(dir, options string) func(t testing.TB, url, subject string, got func([]byte)) func() {
	return func(t testing.TB, url, subject string, got func([]byte)) func() {
		node := exec.Command("node", "suite.mjs", url, subject, options)
		node.Dir, node.Stderr = dir, os.Stderr
		in, err := node.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := node.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := node.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { // ends with the program; stop waits
			defer close(done)
			for lines := bufio.NewScanner(out); lines.Scan(); {
				var payload string
				if json.Unmarshal(lines.Bytes(), &payload) == nil {
					got([]byte(payload))
				}
			}
		}()
		return func() {
			in.Close()
			<-done
			if err := node.Wait(); err != nil {
				t.Errorf("node: %v", err)
			}
		}
	}
}

// A test that is written in JavaScript makes faults with vigil test-broker.
func TestJavaScriptTest(t *testing.T) {
	dir := needModules(t)
	vigil := filepath.Join(t.TempDir(), "vigil")
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-o", vigil, "vigil/cmd/vigil")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	node := exec.CommandContext(ctx, "node", "--test", "testbroker.mjs")
	node.Dir, node.Env = dir, append(os.Environ(), "VIGIL="+vigil)
	out, err := node.CombinedOutput()
	if err != nil || !regexp.MustCompile(`(?m)^. pass 2$`).Match(out) {
		t.Errorf("%v\n%s", err, out)
	}
}
