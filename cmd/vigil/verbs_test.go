package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"vigil/broker"
	"vigil/internal/pki"
)

// brokers runs a test against Vigil's broker and a stock nats-server.
func brokers(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("vigil", func(t *testing.T) {
		t.Parallel()
		b, err := broker.Start(broker.Config{Port: broker.RandomPort})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := b.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		})
		test(t, b.URL())
	})
	t.Run("nats-server", func(t *testing.T) {
		t.Parallel()
		test(t, startNATS(t, server.Options{}).ClientURL())
	})
}

func startNATS(t *testing.T, opts server.Options) *server.Server {
	t.Helper()
	opts.Host, opts.Port, opts.NoSigs, opts.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	s, err := server.NewServer(&opts)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("nats-server did not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

// child is the program as a child process, started by a user whose environment
// says nothing but env.
type child struct {
	cmd    *exec.Cmd
	stdout *words
	stderr *words
	ended  chan struct{}
	status int // after ended
}

func start(t *testing.T, env []string, stdin string, args ...string) *child {
	t.Helper()
	newWords := func() *words { return &words{heard: make(chan struct{}, 1)} }
	c := &child{cmd: exec.Command(os.Args[0], args...), stdout: newWords(), stderr: newWords(), ended: make(chan struct{})}
	c.cmd.Env = append([]string{programEnv + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = strings.NewReader(stdin), c.stdout, c.stderr
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Owned by the child; ends with the process, for which the cleanup waits.
	go func() {
		defer close(c.ended)
		err := c.cmd.Wait()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			c.status = exit.ExitCode()
		}
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // fails only if it has ended
		<-c.ended
		if t.Failed() {
			t.Logf("vigil %s: status %d\nstdout:\n%s\nstderr:\n%s", strings.Join(args, " "), c.status, c.stdout, c.stderr)
		}
	})
	return c
}

// ends waits for the end and checks the status.
func (c *child) ends(t *testing.T, want int) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-c.ended:
	case <-timeout.C:
		t.Fatalf("%v does not end", c.cmd.Args)
	}
	if c.status != want {
		t.Errorf("%v: status %d, want %d", c.cmd.Args, c.status, want)
	}
}

// run runs the program to its end and returns what it printed.
func run(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	c := start(t, nil, "", args...)
	c.ends(t, want)
	return c.stdout.String(), c.stderr.String()
}

// untilHeard publishes to subject until sub has printed want: when a
// subscription has taken effect, a program does not tell.
func untilHeard(t *testing.T, url, subject string, sub *child, want string) {
	t.Helper()
	warm := start(t, nil, "", "pub", "-s", url, subject, "warm", "--every", "5ms", "--count", "0")
	sub.stdout.await(t, want)
	_ = warm.cmd.Process.Kill()
	<-warm.ended
}

// untilAnswered asks until somebody answers.
func untilAnswered(t *testing.T, url, subject string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		c := start(t, nil, "", "req", "-s", url, subject, "warm")
		<-c.ended
		switch {
		case c.status == 0:
			return
		case c.status != 4 || time.Now().After(deadline):
			t.Fatalf("status %d: %s", c.status, c.stderr)
		}
	}
}

func TestSub(t *testing.T) {
	t.Parallel()
	brokers(t, func(t *testing.T, url string) {
		text := start(t, nil, "", "sub", "-s", url, "a.*", "b.>", "warm")
		raw := start(t, nil, "", "sub", "-s", url, "b.>", "warm", "--raw")
		asJSON := start(t, nil, "", "sub", "-s", url, ">", "--json")
		untilHeard(t, url, "warm", text, "[warm] warm\n")
		untilHeard(t, url, "warm", raw, "warm\n")
		untilHeard(t, url, "warm", asJSON, `"subject":"warm"`)
		run(t, 0, "pub", "-s", url, "a.b", "first")
		run(t, 0, "pub", "-s", url, "b.c", "second", "-H", "K: v", "--header", "K: w", "--reply", "back")
		text.stdout.await(t, "[a.b] first\n")
		text.stdout.await(t, "[b.c] second\n")
		raw.stdout.await(t, "\nsecond\n")
		asJSON.stdout.await(t, `"subject":"b.c","reply":"back","header":{"K":["v","w"]},"data":"second"}`+"\n")
		for line := range strings.Lines(asJSON.stdout.String() + asJSON.stderr.String()) {
			if !json.Valid([]byte(line)) {
				t.Errorf("no JSON: %q", line)
			}
		}
		asJSON.stderr.await(t, `"event":"connected","server":"`+url+`"`)
		if err := text.cmd.Process.Signal(os.Interrupt); err == nil && runtime.GOOS != "windows" {
			text.ends(t, 130)
		}

		few := start(t, nil, "", "sub", "-s", url, "none", "--count", "1", "--wait", "50ms")
		few.ends(t, 3)
		if want := "vigil: 0 of 1 messages: no message for as long as --wait says\n"; !strings.HasSuffix(few.stderr.String(), want) {
			t.Errorf("%s", few.stderr)
		}
		run(t, 0, "sub", "-s", url, "none", "--wait", "50ms")
	})
}

func TestReqAndReply(t *testing.T) {
	t.Parallel()
	brokers(t, func(t *testing.T, url string) {
		start(t, nil, "", "reply", "-s", url, "const", "no {n} of {{Count}}", "-H", "From: me")
		untilAnswered(t, url, "const")
		stdout, stderr := run(t, 0, "req", "-s", url, "const", "x", "--count", "2")
		if !regexp.MustCompile(`^no (\d+) of \d+\nno \d+ of \d+\n$`).MatchString(stdout) {
			t.Errorf("%q", stdout)
		}
		if !strings.Contains(stderr, "From: me\n") || !strings.Contains(stderr, "reply in ") {
			t.Errorf("%q", stderr)
		}

		echo := start(t, nil, "", "reply", "-s", url, "echo.>", "--echo", "--queue", "", "--count", "4", "--sleep", "1ms")
		untilAnswered(t, url, "echo.warm")
		if stdout, stderr := run(t, 0, "req", "-s", url, "echo.a", "x{n}", "--raw"); stdout != "x1\n" || strings.Contains(stderr, "reply in") {
			t.Errorf("%q, %q", stdout, stderr)
		}
		c := start(t, nil, "one\ntwo\n", "req", "-s", url, "echo.b", "-", "--json")
		c.ends(t, 0)
		lines := strings.Split(c.stdout.String(), "\n")
		for i, want := range []string{"one", "two"} {
			var r record
			if err := json.Unmarshal([]byte(lines[i]), &r); err != nil || r.Type != "reply" || r.Data == nil || *r.Data != want || r.RTT == nil || *r.RTT <= 0 {
				t.Errorf("%s: %v", lines[i], err)
			}
		}
		echo.ends(t, 0)

		if runtime.GOOS != "windows" {
			start(t, nil, "", "reply", "-s", url, "run.*", "--command", `tr a-z A-Z; echo " $NATS_REQUEST_SUBJECT"`)
			untilAnswered(t, url, "run.warm")
			if stdout, _ := run(t, 0, "req", "-s", url, "run.it", "loud", "--raw"); stdout != "LOUD run.it\n\n" {
				t.Errorf("%q", stdout)
			}
		}

		for _, who := range []string{"1", "2", "3"} {
			start(t, nil, "", "reply", "-s", url, "many", who, "--queue", "")
		}
		for deadline := time.Now().Add(patience); ; { // until all three answer
			c := start(t, nil, "", "req", "-s", url, "many", "x", "--replies", "3", "--reply-timeout", "100ms", "--raw")
			<-c.ended
			if c.status == 0 {
				if got := strings.Fields(c.stdout.String()); len(got) != 3 || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 3 {
					t.Errorf("%q", got)
				}
				break
			}
			if c.status != 3 && c.status != 4 || time.Now().After(deadline) {
				t.Fatalf("status %d: %s", c.status, c.stderr)
			}
		}
		if stdout, _ := run(t, 0, "req", "-s", url, "many", "x", "--replies", "0", "--reply-timeout", "200ms", "--raw"); len(strings.Fields(stdout)) != 3 {
			t.Errorf("%q", stdout)
		}
		if stdout, stderr := run(t, 3, "req", "-s", url, "many", "x", "--replies", "4", "--reply-timeout", "200ms", "--raw"); len(strings.Fields(stdout)) != 3 ||
			!strings.HasSuffix(stderr, "vigil: 3 of 4 replies on many, and none for 200ms\n") {
			t.Errorf("%q, %q", stdout, stderr)
		}
		if stdout, stderr := run(t, 3, "req", "-s", url, "many", "x", "--wait-for-empty", "--reply-timeout", "200ms", "--raw"); len(strings.Fields(stdout)) != 3 ||
			!strings.HasSuffix(stderr, "vigil: 3 replies on many, none of them empty, and none for 200ms\n") {
			t.Errorf("%q, %q", stdout, stderr)
		}
		start(t, nil, "", "reply", "-s", url, "empty", "")
		untilAnswered(t, url, "empty")
		if stdout, _ := run(t, 0, "req", "-s", url, "empty", "x", "--wait-for-empty", "--raw"); stdout != "\n" {
			t.Errorf("%q", stdout)
		}

		if stdout, stderr := run(t, 4, "req", "-s", url, "nobody", "x"); stdout != "" || !strings.HasSuffix(stderr, "vigil: nobody is subscribed to nobody\n") {
			t.Errorf("%q, %q", stdout, stderr)
		}
		deaf := start(t, nil, "", "sub", "-s", url, "deaf")
		untilHeard(t, url, "deaf", deaf, "[deaf] warm\n")
		if stdout, stderr := run(t, 3, "req", "-s", url, "deaf", "x", "--timeout", "50ms"); stdout != "" || !strings.HasSuffix(stderr, "vigil: no reply on deaf within 50ms\n") {
			t.Errorf("%q, %q", stdout, stderr)
		}
	})
}

func TestPing(t *testing.T) {
	t.Parallel()
	brokers(t, func(t *testing.T, url string) {
		stdout, _ := run(t, 0, "ping", "-s", url, "--count", "3", "--interval", "1ms")
		want := `^seq=1 rtt=[\d.]+ ms .*connected\nseq=2 .*\nseq=3 .*\n\n` + url + `: 3 PINGs, 3 answered, 0\.0 % lost\nrtt min/avg/p50/p99/max = [\d./]+ ms\n`
		if runtime.GOOS == "linux" {
			want += `kernel's rtt [\d.]+ ms, \d+ of \d+ segments retransmitted\n`
		}
		if !regexp.MustCompile(want + "$").MatchString(stdout) {
			t.Errorf("%s\nwant %s", stdout, want)
		}
		stdout, _ = run(t, 0, "ping", "-s", url, "-c", "2", "-i", "0s", "--json")
		var got []string
		for line := range strings.Lines(stdout) {
			var r record
			if err := json.Unmarshal([]byte(line), &r); err != nil || r.State != "connected" || r.Server != url {
				t.Errorf("%s: %v", line, err)
			}
			got = append(got, r.Type)
		}
		if strings.Join(got, " ") != "ping ping summary" {
			t.Errorf("%v", got)
		}
		if runtime.GOOS != "windows" {
			c := start(t, nil, "", "ping", "-s", url, "-i", "1ms")
			c.stdout.await(t, "seq=3 ")
			if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			c.ends(t, 130)
			if !strings.Contains(c.stdout.String(), " 0.0 % lost") {
				t.Errorf("no summary")
			}
		}
	})
}

// A ping outlives its broker, and says so.
func TestPingThroughALoss(t *testing.T) {
	t.Parallel()
	b := runBroker(t, "-p", "-1")
	c := start(t, nil, "", "ping", "-s", b.url, "-i", "10ms", "--timeout", "100ms")
	c.stdout.await(t, "seq=2 ")
	if err := b.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.stdout.await(t, "no answer: timeout reconnecting\n")
	c.stderr.await(t, "lost: "+b.url)
	again := runBroker(t, "-p", b.url[strings.LastIndexByte(b.url, ':')+1:])
	if again.url != b.url {
		t.Fatalf("the broker is back at %s", again.url)
	}
	c.stderr.await(t, "resumed: "+b.url)
	before := len(c.stdout.String())
	for deadline := time.Now().Add(patience); !strings.Contains(c.stdout.String()[before:], " connected\n"); {
		if time.Now().After(deadline) {
			t.Fatal("no PING is answered after the loss")
		}
		<-c.stdout.heard
	}
}

// silent accepts connections, greets and answers the first PING alone.
func silent(t *testing.T) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var conns []net.Conn
		for {
			nc, err := l.Accept()
			if err != nil {
				break
			}
			conns = append(conns, nc)
			fmt.Fprint(nc, "INFO {\"headers\":true,\"max_payload\":1048576}\r\n")
			in := bufio.NewScanner(nc)
			for in.Scan() && in.Text() != "PING" {
			}
			fmt.Fprint(nc, "PONG\r\n")
		}
		for _, nc := range conns {
			nc.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "nats://" + l.Addr().String()
}

func TestNotInTime(t *testing.T) {
	t.Parallel()
	url := silent(t)
	if stdout, stderr := run(t, 3, "ping", "-s", url, "-c", "1", "--timeout", "100ms"); !strings.Contains(stdout, "seq=1 no answer: timeout") ||
		!strings.Contains(stdout, "1 PINGs, 0 answered, 100.0 % lost") || !strings.HasSuffix(stderr, "vigil: none of 1 PINGs was answered\n") {
		t.Errorf("%q, %q", stdout, stderr)
	}
	if _, stderr := run(t, 3, "pub", "-s", url, "a", "b", "--timeout", "100ms"); !strings.Contains(stderr, "vigil: wait for the broker to confirm: ") {
		t.Errorf("%q", stderr)
	}
	if stdout, _ := run(t, 2, "check", "connection", "-s", url, "--timeout", "300ms"); !strings.HasPrefix(stdout, "CRITICAL: connected to "+url) || !strings.Contains(stdout, "PING: ") {
		t.Errorf("%q", stdout)
	}
}

func TestCheckConnection(t *testing.T) {
	t.Parallel()
	brokers(t, func(t *testing.T, url string) {
		generous := []string{"check", "connection", "-s", url, "--connect-critical", "1m", "--connect-warn", "1m",
			"--rtt-critical", "1m", "--rtt-warn", "1m", "--req-critical", "1m", "--req-warn", "1m"}
		stdout, stderr := run(t, 0, generous...)
		if !regexp.MustCompile(`^OK: connected to \S+ in [\d.]+ ms; PING answered in [\d.]+ ms; own message back in [\d.]+ ms \| `+
			`connect_time=[\d.]+s;60\.0000;60\.0000 rtt=\S+ (kernel_rtt=[\d.]+s;; )?request_time=\S+\n$`).MatchString(stdout) || stderr != "" {
			t.Errorf("%q, %q", stdout, stderr)
		}
		if stdout, _ := run(t, 1, append(generous, "--rtt-warn", "1ns")...); !strings.HasPrefix(stdout, "WARNING: ") {
			t.Errorf("%q", stdout)
		}
		if stdout, _ := run(t, 2, append(generous, "--req-critical", "1ns")...); !strings.HasPrefix(stdout, "CRITICAL: ") {
			t.Errorf("%q", stdout)
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "nats.prom")
		for range 2 { // it replaces the first
			run(t, 0, append(generous, "--format", "prometheus", "--req-critical", "1ns", "--outfile", path)...)
		}
		if text := read(t, path); !strings.HasSuffix(text, "nats_server_check_connections_status_code{item=\"Connection\",status=\"CRITICAL\"} 2\n") {
			t.Errorf("%s", text)
		}
		if files, _ := os.ReadDir(dir); len(files) != 1 {
			t.Errorf("left behind: %v", files)
		}
	})
	if stdout, _ := run(t, 2, "check", "connection", "-s", "nats://127.0.0.1:1"); stdout != "CRITICAL: link: connect nats://127.0.0.1:1: connection refused; is a broker listening there?\n" {
		t.Errorf("%q", stdout)
	}
	for _, args := range [][]string{{"--nope"}, {"x"}, {"--format", "xml"}, {"--timeout", "0"}, {"-s", "http://x"}, {"--context", "gone"}, {"--tlsca", "/gone"}, {"--outfile", "/gone/x", "--format", "json", "-s", "nats://127.0.0.1:1"}} {
		run(t, 3, append([]string{"check", "connection"}, args...)...)
	}
	run(t, 3, "check", "nope")
}

// Credentials and TLS, by flags, environment and context, for every verb.
func TestSecureVerbs(t *testing.T) {
	t.Parallel()
	ca := pki.New(t)
	key, _ := nkeys.CreateUser()
	public, _ := key.PublicKey()
	seed, _ := key.Seed()
	serverTLS := ca.Server("127.0.0.1")
	serverTLS.ClientAuth, serverTLS.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	s := startNATS(t, server.Options{TLS: true, TLSConfig: serverTLS, Nkeys: []*server.NkeyUser{{Nkey: public}},
		Users: []*server.User{{Username: "joe", Password: "s3cret"}}})
	url := "tls://" + s.Addr().String()
	cert, certKey := ca.Write(ca.Issue("client"))
	nkey := filepath.Join(t.TempDir(), "joe.nk")
	if err := os.WriteFile(nkey, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	dir := filepath.Join(home, "nats", "context")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(map[string]string{"url": url, "nkey": nkey, "cert": cert, "key": certKey, "ca": ca.WriteCA()})
	for path, text := range map[string]string{filepath.Join(dir, "here.json"): string(text), filepath.Join(home, "nats", "context.txt"): "here"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	selected := []string{"XDG_CONFIG_HOME=" + home}
	environment := []string{"NATS_URL=" + url, "NATS_USER=joe", "NATS_PASSWORD=s3cret", "NATS_CERT=" + cert, "NATS_KEY=" + certKey, "NATS_CA=" + ca.WriteCA()}
	flags := []string{"-s", url, "--user", "joe", "--password", "s3cret", "--tlscert", cert, "--tlskey", certKey, "--tlsca", ca.WriteCA()}
	for _, tc := range []struct {
		why    string
		env    []string
		args   []string
		status int
		words  string // on standard error
	}{
		{why: "flags", args: append([]string{"pub", "a", "x"}, flags...)},
		{why: "flags, nkey", args: append([]string{"pub", "a", "x", "--nkey", nkey}, append(flags[:2:2], flags[6:]...)...)},
		{why: "environment", env: environment, args: []string{"pub", "a", "x"}},
		{why: "the selected context", env: selected, args: []string{"pub", "a", "x"}},
		{why: "a named context", env: append([]string{"NATS_CONTEXT=gone"}, selected...), args: []string{"pub", "a", "x", "--context", "here"}},
		{why: "sub", env: selected, args: []string{"sub", "a", "--wait", "1ms"}},
		{why: "req", env: selected, args: []string{"req", "a", "x"}, status: 4, words: "nobody is subscribed"},
		{why: "ping", env: selected, args: []string{"ping", "-c", "1"}},
		{why: "check", env: selected, args: []string{"check", "connection", "--connect-critical", "1m", "--connect-warn", "1m", "--rtt-critical", "1m", "--rtt-warn", "1m", "--req-critical", "1m", "--req-warn", "1m"}},
		{why: "wrong password", args: append(append([]string{"pub", "a", "x"}, flags...), "--password", "s3cret-not"), status: 1, words: `'Authorization Violation'; check the password of user "joe"`},
		{why: "no CA", args: append([]string{"pub", "a", "x"}, flags[:10]...), status: 1, words: "is the CA that signed"},
		{why: "no certificate", args: append([]string{"pub", "a", "x"}, append(flags[:6:6], flags[10:]...)...), status: 1, words: "client certificate"},
		{why: "half a certificate", args: append([]string{"pub", "a", "x"}, flags[:8]...), status: 2, words: "both --tlscert and --tlskey"},
		{why: "bad CA file", args: []string{"pub", "a", "x", "-s", url, "--tlsca", nkey}, status: 1, words: "no certificate in PEM"},
		{why: "a context that is not there", env: selected, args: []string{"sub", "a", "--context", "gone"}, status: 2, words: `context "gone": there is none in`},
		{why: "no such seed file", env: selected, args: []string{"sub", "a", "--nkey", "/gone"}, status: 1, words: "cannot use the seed file /gone"},
		{why: "a password in a bad URL", args: []string{"sub", "a", "-s", "nats://joe:s3cret/@x"}, status: 2, words: "server URL"},
	} {
		t.Run(tc.why, func(t *testing.T) {
			t.Parallel()
			c := start(t, tc.env, "", tc.args...)
			c.ends(t, tc.status)
			if !strings.Contains(c.stderr.String(), tc.words) {
				t.Errorf("%s\nwant %s", c.stderr, tc.words)
			}
			if told := c.stdout.String() + c.stderr.String(); strings.Contains(told, "s3cret") || strings.Contains(told, string(seed)) {
				t.Errorf("a secret is shown: %s", told)
			}
		})
	}
}

// What cannot be obeyed is refused with status 2 and one line.
func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	for args, words := range map[string]string{
		"sub a --raw --json":                  "--raw",
		"sub a --wait -1s":                    "--wait",
		"sub a b.>.c":                         ">",
		"pub a x -H nocolon":                  "--header",
		"pub a x --reply b.*":                 "--reply",
		"pub a x --timeout -1s":               "--timeout",
		"pub a - --count 2":                   "--count",
		"req a x --timeout 0":                 "--timeout",
		"req a x --raw --json":                "--raw",
		"req a.* x":                           "wildcard",
		"reply a":                             "answer with what?",
		"reply a x --echo":                    "answer with what?",
		"reply a x --count -1":                "--count",
		"ping --timeout 0":                    "--timeout",
		"ping x":                              "x",
		"ping --context ../x":                 "no path",
		"man x":                               "x",
		"sub a --within 1ns":                  "--within",
		"sub a -s nats://a,http://b --user u": "http",
		"sub a -s nats://a:1:2":               "a:1:2",
		"pub a x --every -1s":                 "--every",
		"pub a x --sleep -1s":                 "--every",
		"reply a x --queue q\u00a0\tq":        "",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			_, stderr := run(t, 2, strings.Split(args, " ")...)
			if !strings.HasPrefix(stderr, "vigil: ") || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, words) {
				t.Errorf("%q, want one line with %q", stderr, words)
			}
		})
	}
}

// The manual and the completions have every verb and no secret of the environment.
func TestManAndCompletion(t *testing.T) {
	t.Parallel()
	env := []string{"NATS_PASSWORD=s3cret", "NATS_URL=nats://u:s3cret@x", "NATS_TOKEN=s3cret"}
	for _, args := range []string{"man", "--help", "sub --help", "completion bash", "__complete ", "check connection --help"} {
		c := start(t, env, "", strings.Split(args, " ")...)
		c.ends(t, 0)
		if strings.Contains(c.stdout.String()+c.stderr.String(), "s3cret") {
			t.Errorf("%s shows a secret", args)
		}
		if args == "man" || args == "--help" || args == "__complete " {
			for _, verb := range []string{"broker", "sub", "pub", "req", "reply", "ping", "check"} {
				if !strings.Contains(c.stdout.String(), verb) {
					t.Errorf("%s: no %s", args, verb)
				}
			}
		}
	}
	home := t.TempDir()
	dir := filepath.Join(home, "nats", "context")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "prod.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, []string{"XDG_CONFIG_HOME=" + home}, "", "__complete", "sub", "--context", "")
	c.ends(t, 0)
	if !strings.HasPrefix(c.stdout.String(), "prod\n") {
		t.Errorf("contexts are completed to %q", c.stdout)
	}
}
