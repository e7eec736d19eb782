package integration_test

import (
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"vigil/subscriber"
)

// startBroker starts `vigil broker` on a port, -1 for any, and returns its URL.
func startBroker(t *testing.T, port string) (p *program, url string) {
	t.Helper()
	p = start(t, nil, "vigil", "broker", "-p", port)
	url, _ = p.out.awaitLine(t, 0, "nats://")
	return p, url
}

// port returns the port of a URL.
func port(url string) string { return url[strings.LastIndexByte(url, ':')+1:] }

// resumedLine is how `vigil sub` tells a deaf window.
var resumedLine = regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3}  resumed: nats://\S+: deaf for [\d.]+ m?s, from (\d\d:\d\d:\d\d\.\d{3}) to (\d\d:\d\d:\d\d\.\d{3})`)

// The story as a user sees it, on the command line: the broker dies, once with
// a FIN and once without a word, and `vigil sub` goes on by itself.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	broker, url := startBroker(t, "-1")
	sub := start(t, nil, "vigil", "sub", "-s", url, "ticks.>")
	sub.err.awaitLine(t, 0, "connected: "+url)
	pub := start(t, nil, "vigil", "pub", "-s", url, "ticks.one", "tick {n} of many", "--every", "10ms", "--count", "0")
	sub.out.awaitLine(t, 0, "[ticks.one] tick ", " of many")

	must(t, broker.cmd.Process.Kill())
	<-broker.ended
	_, told := sub.err.awaitLine(t, 0, "lost: "+url, "closed by peer")
	broker, again := startBroker(t, port(url))
	if again != url {
		t.Fatalf("the broker is back at %s, not %s", again, url)
	}
	told = checkResumed(t, sub, told)
	sub.out.awaitLine(t, len(sub.out.String()), "[ticks.one] tick ")

	broker.signal(t, stopSignal)
	frozen := time.Now()
	_, told = sub.err.awaitLine(t, told, "suspect: "+url)
	_, told = sub.err.awaitLine(t, told, "lost: "+url, "stale: ", "last heard ")
	if took := time.Since(frozen); took > promise+starvation.between(frozen, time.Now())+slack {
		t.Errorf("vigil sub told the loss after %v", took)
	}
	must(t, broker.cmd.Process.Kill())
	<-broker.ended
	broker, _ = startBroker(t, port(url))
	checkResumed(t, sub, told)
	sub.out.awaitLine(t, len(sub.out.String()), "[ticks.one] tick ")

	for _, p := range []*program{sub, pub} {
		p.signal(t, os.Interrupt)
		if status := p.status(t); status != 130 {
			t.Errorf("%s ended by SIGINT with status %d, want 130", p.cmd.Args, status)
		}
	}
	broker.signal(t, syscall.SIGTERM)
	if status := broker.status(t); status != 0 {
		t.Errorf("vigil broker ended by SIGTERM with status %d, want 0", status)
	}
	if told := broker.err.String(); told != "" {
		t.Errorf("vigil broker said on standard error: %s", told)
	}
}

// checkResumed waits for the line that tells the deaf window.
func checkResumed(t *testing.T, sub *program, from int) (end int) {
	t.Helper()
	line, end := sub.err.awaitLine(t, from, "resumed: ")
	if m := resumedLine.FindStringSubmatch(line); m == nil || m[1] >= m[2] && m[2] > "00:01" {
		t.Errorf("no deaf window in %q", line)
	}
	return end
}

// Messages flow between the programs: subjects, queues, standard input, counts.
func TestCommandLineMessages(t *testing.T) {
	t.Parallel()
	_, url := startBroker(t, "-1")
	three := start(t, nil, "vigil", "sub", "-s", url, "warm", "--count", "3")
	all := start(t, nil, "vigil", "sub", "-s", url, "in.>")
	members := []*program{
		start(t, nil, "vigil", "sub", "-s", url, "in.*", "-q", "group"),
		start(t, nil, "vigil", "sub", "-s", url, "in.*", "--queue", "group"),
	}
	// When its subscription took effect a program does not tell: messages that
	// come do.
	warm := start(t, nil, "vigil", "pub", "-s", url, "warm", "up {n}", "--every", "5ms", "--count", "0")
	if status := three.status(t); status != 0 || three.out.count("[warm] up ") != 3 {
		t.Errorf("vigil sub --count 3: status %d, and it printed\n%s", status, &three.out)
	}
	warm.signal(t, os.Interrupt)
	warm = start(t, nil, "vigil", "pub", "-s", url, "in.warm", "up", "--every", "5ms", "--count", "0")
	for _, p := range append(members, all) {
		p.out.awaitLine(t, 0, "[in.warm] up")
	}
	warm.signal(t, os.Interrupt)
	warm.status(t)

	pub := start(t, strings.NewReader("first\nsecond line\n\n"), "vigil", "pub", "-s", url, "in.one", "-")
	if status := pub.status(t); status != 0 {
		t.Errorf("vigil pub: status %d", status)
	}
	const want = "[in.one] first\n[in.one] second line\n[in.one] \n"
	eventually(t, "the messages are printed", func() bool { return strings.HasSuffix(all.out.String(), want) })
	printed := func(word string) int { return members[0].out.count(word) + members[1].out.count(word) }
	eventually(t, "the queue group has them", func() bool { return printed("[in.one]") >= 3 })
	for _, word := range []string{"[in.one] first\n", "[in.one] second line\n", "[in.one] \n"} {
		if n := printed(word); n != 1 {
			t.Errorf("the queue group printed %q %d times", word, n)
		}
	}
}

// What cannot be done ends with a status that a script can tell apart, and one
// line.
func TestCommandLineErrors(t *testing.T) {
	t.Parallel()
	_, url := startBroker(t, "-1")
	taken := port(url)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	nobody := "nats://" + free.Addr().String()
	must(t, free.Close())
	for _, tc := range []struct {
		name   string
		args   string
		stdin  string
		status int
		words  string
	}{
		{name: "port in use", args: "broker -p " + taken, status: 1, words: taken + " address already in use"},
		{name: "port 0", args: "broker -p 0", status: 2, words: "port 0"},
		{name: "port too high", args: "broker -p 65536", status: 2, words: "port 65536"},
		{name: "no address of ours", args: "broker -p -1 -a 192.0.2.1", status: 1, words: "192.0.2.1"},
		{name: "broker with an argument", args: "broker now", status: 2, words: "now"},
		{name: "URL of another scheme", args: "sub -s http://127.0.0.1:1 a", status: 2, words: "http"},
		{name: "URL with a bad port", args: "pub -s nats://127.0.0.1:x a b", status: 2, words: "127.0.0.1:x"},
		{name: "empty URL", args: "sub -s , a", status: 2, words: "URL"},
		{name: "unreachable for sub", args: "sub -s " + nobody + " a", status: 1, words: nobody + " refused"},
		{name: "unreachable for pub", args: "pub -s " + nobody + " a b", status: 1, words: nobody + " refused"},
		{name: "unknown flag", args: "sub --nope a", status: 2, words: "--nope"},
		{name: "unknown command", args: "nope", status: 2, words: "nope"},
		{name: "subject missing", args: "sub", status: 2},
		{name: "subject with a space", args: "pub a|b x", status: 2, words: "space"},
		{name: "pattern with a space", args: "sub a|b", status: 2, words: "space"},
		{name: "empty token", args: "pub a..b x", status: 2, words: "empty token"},
		{name: "empty subject", args: "sub EMPTY", status: 2, words: "empty"},
		{name: "wildcard to publish to", args: "pub a.* x", status: 2, words: "wildcard"},
		{name: "> not at the end", args: "sub a.>.b", status: 2, words: ">"},
		{name: "bad heartbeat", args: "sub --within soon a", status: 2, words: "soon"},
		{name: "heartbeat too fast", args: "sub --within 1ms a", status: 2, words: "1ms"},
		{name: "negative count", args: "sub --count -1 a", status: 2, words: "-1"},
		{name: "payload over the limit", args: "pub -s " + url + " a -", stdin: strings.Repeat("x", 1<<20+1), status: 1, words: "1048577 max_payload"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(tc.args)
			for k, arg := range args { // | stands for a blank
				args[k] = strings.ReplaceAll(strings.ReplaceAll(arg, "|", " "), "EMPTY", "")
			}
			checkOneLine(t, start(t, strings.NewReader(tc.stdin), "vigil", args...), tc.status, strings.Fields(tc.words)...)
		})
	}
}

// Who speaks no NATS is told so and shown out, and nobody else notices.
func TestGarbage(t *testing.T) {
	t.Parallel()
	broker, url := startBroker(t, "-1")
	l := listen(t, &host{addr: strings.TrimPrefix(url, "nats://")}, subscriber.Config{})
	got := l.collect(t, "numbers", "")
	for _, garbage := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"\x00\x00\x00\x00\r\n",
		"CONNECT {}\r\nPUB a 5\r\nhello, too long\r\n",
		"CONNECT {}\r\nPUB a 99999999999999999999\r\n",
		"CONNECT {}\r\nPUB a -1\r\n",
		"CONNECT nonsense\r\n",
		strings.Repeat("A", 1<<20),
	} {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "nats://"), patience)
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(patience)))
		_, _ = io.WriteString(conn, garbage) // it may be shown out in the middle
		answer, err := io.ReadAll(conn)
		if err, ok := err.(net.Error); ok && err.Timeout() {
			t.Errorf("the broker keeps who says %.20q; it said %q", garbage, answer)
		}
		if !strings.HasPrefix(string(answer), "INFO {") {
			t.Errorf("the broker greeted with %q", answer)
		}
		must(t, conn.Close())
	}
	pub := start(t, nil, "vigil", "pub", "-s", url, "numbers", "7")
	got.await(t, 7)
	if status := pub.status(t); status != 0 {
		t.Errorf("vigil pub: status %d", status)
	}
	if n := len(l.diary.all(subscriber.EventLost)); n > 0 {
		t.Errorf("a bystander lost its connection:\n%s", &l.diary)
	}
	broker.signal(t, syscall.SIGTERM)
	if status := broker.status(t); status != 0 {
		t.Errorf("status %d after SIGTERM", status)
	}
}
