package foreign_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
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
