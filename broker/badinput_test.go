package broker_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/broker"
)

// badInput is a line of testdata/bad_input.tsv: what a client may say that no
// good client says, and its fate. A fate is the texts of the -ERRs, then "open",
// "closed", or "waits" if an operation is unfinished.
type badInput struct {
	name, input string
	// then is "" or what the client does next: "fin" ends its output, "rst"
	// resets the connection.
	then string
	// after and before are the fates behind a CONNECT and without one.
	after, before string
	why           string // the key of the reason why Vigil differs, "" if it does not
}

const minBadInputs = 400

// readBadInputs reads the table with the fates that the broker of a name gives.
func readBadInputs(t testing.TB, name string) []badInput {
	t.Helper()
	text, err := os.ReadFile("testdata/bad_input.tsv")
	check(t, err)
	var all []badInput
	reasons := make(map[string]bool)
	for i, line := range strings.Split(string(text), "\n") {
		if reason, ok := strings.CutPrefix(line, "# why "); ok {
			key, _, _ := strings.Cut(reason, ":")
			reasons[key] = true
		}
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 5 && len(f) != 8 {
			t.Fatalf("bad_input.tsv:%d: %d fields, want 5, or 8 where Vigil differs", i+1, len(f))
		}
		b := badInput{name: f[0], then: f[2], after: f[3], before: f[4]}
		b.input, err = unescape(f[1])
		check(t, err)
		if len(f) == 8 {
			b.why = f[7]
			if !reasons[b.why] {
				t.Errorf("bad_input.tsv:%d: Vigil differs without a reason", i+1)
			}
			if name == "vigil" {
				b.after, b.before = f[5], f[6]
			}
		}
		all = append(all, b)
	}
	if len(all) < minBadInputs {
		t.Errorf("%d inputs, want at least %d", len(all), minBadInputs)
	}
	return all
}

// TestBadInput sends every bad input, without a CONNECT and behind one, in one
// piece and byte by byte, 64 at once. Each has the fate that the table says,
// and a healthy pair beside them loses nothing.
func TestBadInput(t *testing.T) {
	for _, start := range []func(testing.TB, limits) *rival{startVigil, startStock} {
		r := start(t, nil)
		t.Run(r.name, func(t *testing.T) {
			if r.name == "stock" && broker.RaceEnabled {
				t.Skip("nats-server has a data race of its own, between CONNECT and a delivery")
			}
			stop := watchPair(t, r)
			playBadInputs(t, r, readBadInputs(t, r.name))
			messages := stop()
			check(t, r.await(2)) // the pair; whoever else came is forgotten
			t.Logf("%d messages of the healthy pair", messages)
		})
	}
}

func playBadInputs(t *testing.T, r *rival, inputs []badInput) {
	free := make(chan struct{}, 64)
	var all sync.WaitGroup
	for i, b := range inputs {
		for _, connected := range []bool{false, true} {
			for _, how := range []style{coalesced, byByte} {
				free <- struct{}{}
				all.Go(func() { // waited for below
					defer func() { <-free }()
					want := b.before
					if connected {
						want = b.after
					}
					got, err := fate(r, b, fmt.Sprintf("fate.%d.%v.%d", i, connected, how), connected, how, want)
					if err != nil || got != want {
						t.Errorf("%s, connected %v, %v: %s (%v), want %s", b.name, connected, how, got, err, want)
					}
				})
			}
		}
	}
	all.Wait()
}

// silence is how long a client listens to make sure that it is told nothing.
const silence = 20 * time.Millisecond

// fate plays one input and returns what came of it. That nothing comes is not
// waited for longer than is expected.
func fate(r *rival, b badInput, subject string, connected bool, how style, want string) (string, error) {
	conn, err := r.dial()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	if connected {
		_, _ = conn.Write([]byte("CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\n"))
	}
	send(conn, b.input, how)
	switch b.then {
	case "rst":
		return "reset", conn.(*net.TCPConn).SetLinger(0)
	case "fin":
		if err := closeWrite(conn); err != nil && want == "waits" {
			return "", err
		}
	default:
		send(conn, "SUB "+subject+" fate\r\nPUB "+subject+" 0\r\n\r\n", coalesced)
	}
	wait := patience
	if strings.HasSuffix(want, "waits") {
		wait = silence
	}
	_ = conn.SetReadDeadline(time.Now().Add(wait))
	var texts []string
	for {
		event, err := readEvent(in)
		var late net.Error
		switch {
		case errors.As(err, &late) && late.Timeout():
			return strings.Join(append(texts, "waits"), "; "), nil
		case err != nil:
			return strings.Join(append(texts, "closed"), "; "), nil
		case event == "MSG "+subject+" fate 0\r\n\r\n":
			return strings.Join(append(texts, "open"), "; "), nil
		}
		if text, ok := strings.CutPrefix(event, "-ERR "); ok {
			if text = strings.Trim(text, "'\r\n"); !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
}

// send writes text, byte by byte if so asked for; of a long one that is its
// ends, and the middle in pieces.
func send(conn net.Conn, text string, how style) {
	if how != byByte {
		_, _ = conn.Write([]byte(text))
		return
	}
	const ends = 200
	for i := 0; i < len(text); {
		n := 1
		if i > ends && i < len(text)-ends {
			n = min(997, len(text)-ends-i)
		}
		if _, err := conn.Write([]byte(text[i : i+n])); err != nil {
			return
		}
		i += n
	}
}

// watchPair starts two clients of which one sends numbers to the other as fast
// as it is answered. The function returned stops them and returns how many
// there were; it is an error if one did not arrive.
func watchPair(t *testing.T, r *rival) (stop func() int) {
	sub, pub := dialRaw(t, r.addr), dialRaw(t, r.addr)
	for _, c := range []*rawClient{sub, pub} {
		c.expectInfo("pair", "{}")
		c.ready(quiet)
	}
	const subject = "the.healthy.pair"
	sub.write("SUB " + subject + " 1\r\n")
	sub.flush()
	stopped, sent, received := make(chan struct{}), make(chan int, 1), make(chan error, 1)
	go func() { // ends with stopped, which stop closes and then waits for sent
		n := 0
		defer func() { sent <- n }()
		for {
			select {
			case <-stopped:
				pub.write("PUB " + subject + " 3\r\nend\r\n")
				return
			default:
			}
			var batch strings.Builder
			for range 50 {
				text := fmt.Sprint(n)
				fmt.Fprintf(&batch, "PUB %s %d\r\n%s\r\n", subject, len(text), text)
				n++
			}
			pub.write(batch.String() + "PING\r\n")
			if line, err := pub.line(); line != "PONG" || err != nil {
				return
			}
		}
	}()
	go func() { // ends with the last message or the stream; stop waits for received
		for n := 0; ; n++ {
			_, _ = sub.line()
			text, err := sub.line()
			if text == "end" || err != nil {
				received <- err
				return
			}
			if text != fmt.Sprint(n) {
				received <- fmt.Errorf("got %q, want %d", text, n)
				return
			}
		}
	}()
	return func() int {
		close(stopped)
		n := <-sent
		if err := <-received; err != nil {
			t.Errorf("the healthy pair: %v", err)
		}
		return n
	}
}
