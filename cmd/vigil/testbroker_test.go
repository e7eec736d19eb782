package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// runTestBroker runs the program and returns the URLs of the broker and the control.
func runTestBroker(t *testing.T, args ...string) (broker, control string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"test-broker", "--control", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), programEnv+"=1")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(stopSignals[0]); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil || complaint.Len() > 0 {
			t.Errorf("ended with %v, said %q", err, complaint.String())
		}
	})
	lines := bufio.NewScanner(out)
	for _, url := range []*string{&broker, &control} {
		if !lines.Scan() {
			t.Fatalf("no URL: %v, %s", lines.Err(), complaint.String())
		}
		*url = lines.Text()
	}
	return broker, control
}

// ask makes a request, a POST if it has a body or is said to.
func ask(t *testing.T, method, url, body string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(read)
}

// The curl commands of the page about testing reconnects work, one after the other.
func TestCommandsOfThePage(t *testing.T) {
	broker, control := runTestBroker(t)
	nc, err := nats.Connect(broker, nats.Name("orders"), nats.PingInterval(500*time.Millisecond), nats.MaxPingsOutstanding(2),
		nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0), nats.MaxReconnects(-1), nats.Timeout(500*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.SubscribeSync("orders.>"); err != nil {
		t.Fatal(err)
	}
	commands := 0
	for line := range strings.Lines(read(t, "../../docs/testing-reconnects.md")) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "curl ")
		if !ok {
			continue
		}
		commands++
		method, body := http.MethodGet, ""
		if rest, ok := strings.CutPrefix(command, "-d '"); ok {
			method = http.MethodPost
			body, command, _ = strings.Cut(rest, "' ")
		}
		url := strings.ReplaceAll(strings.Trim(command, `"`), "$CONTROL", control)
		for await(t, control, method, url, body) {
		}
	}
	if commands < 30 {
		t.Errorf("the page has %d commands", commands)
	}
}

// await carries a command of the page out and reports whether it is to be made again: the
// client of the test may not be back yet, of which a reader of the page would be aware.
func await(t *testing.T, control, method, url, body string) (again bool) {
	t.Helper()
	status, text := ask(t, method, url, body)
	switch {
	case status == http.StatusOK:
		return false
	case strings.Contains(text, "no such client"):
		if status, text := ask(t, http.MethodPost, control+"/v1/await/connect", `{"client": "orders", "within": "20s"}`); status != http.StatusOK {
			t.Fatalf("the client is not back: %s", text)
		}
		return true
	}
	t.Fatalf("%s %s %s: %d %s", method, url, body, status, text)
	return false
}

func TestTestBrokerWithLoginAndTLS(t *testing.T) {
	broker, control := runTestBroker(t, "--tls", "--user", "ann", "--pass", "secret", "--max_payload", "2K")
	_, ca := ask(t, http.MethodGet, control+"/v1/ca", "")
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ca)) {
		t.Fatalf("the authority is %q", ca)
	}
	secure := nats.Secure(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	nc, err := nats.Connect(broker, secure, nats.UserInfo("ann", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if nc.MaxPayload() != 2000 {
		t.Errorf("the payload is limited to %d bytes, want 2000", nc.MaxPayload())
	}
	if nc, err := nats.Connect(broker, secure, nats.UserInfo("ann", "wrong")); err == nil {
		nc.Close()
		t.Error("connected with a wrong password")
	}
}

func TestTestBrokerFails(t *testing.T) {
	for args, want := range map[string]string{
		"--control 0.0.0.0:0":     "want a loopback address, or --allow_remote_control",
		"--control example.com:0": "want a loopback address",
		"--control nowhere":       "want host:port",
		"--max_pending 5":         "--max_pending 5: want at least --max_payload",
	} {
		if out := programSays(t, 2, append([]string{"test-broker"}, strings.Fields(args)...)...); !strings.Contains(out, want) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: said %q", args, out)
		}
	}
}
