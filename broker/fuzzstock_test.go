package broker_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

// fuzzLimits keep what an input may leave unfinished shorter than closing.
var fuzzLimits = limits{"max_payload": 1024, "max_control_line": 256}

// closing ends whatever an input has left unfinished, so that what is open is
// answered and the rest is not.
var closing = "\r\n" + strings.Repeat("PING\r\n", 300)

// FuzzSessionLikeStock lets one client say anything to Vigil and to nats-server,
// in two writes cut at cut: both must answer the same.
func FuzzSessionLikeStock(f *testing.F) {
	for i, seed := range stockSeeds(f) {
		f.Add(seed, i)
	}
	vigil, stock := startVigil(f, fuzzLimits), startStock(f, fuzzLimits)
	f.Fuzz(func(t *testing.T, input []byte, cut int) {
		if len(input) > 4096 || onPurpose(input) {
			t.Skip("longer than worth while, or different on purpose")
		}
		cut = min(max(cut, 0), len(input))
		want, got := answer(t, stock, input, cut), answer(t, vigil, input, cut)
		if want != got {
			t.Errorf("input %q, cut at %d:\nnats-server says %q\nVigil says       %q", input, cut, tail(want), tail(got))
		}
	})
}

// stockSeeds returns what the scripts and the bad inputs say; for fuzzing, which
// takes long to measure each, an eighth of them.
func stockSeeds(f *testing.F) [][]byte {
	var seeds [][]byte
	for _, s := range allScripts(f) {
		var input []byte
		for _, st := range s.steps {
			if st.client == "c1" && st.verb[0] == '>' {
				input = append(input, st.text...)
				if st.verb == ">" {
					input = append(input, "\r\n"...)
				}
			}
		}
		seeds = append(seeds, input)
	}
	for _, b := range readBadInputs(f, "stock") {
		seeds = append(seeds, []byte(b.input), []byte("CONNECT "+quiet+"\r\n"+b.input))
	}
	if flag.Lookup("test.fuzz").Value.String() == "" {
		return seeds
	}
	var some [][]byte
	for i := 0; i < len(seeds); i += 8 {
		some = append(some, seeds[i])
	}
	return some
}

// onPurpose reports whether an input is one of those that Vigil answers in
// another way, as testdata/bad_input.tsv says, or that have no one answer.
func onPurpose(input []byte) bool {
	return strayReturn.Match(input) || // why CR
		manyBlanks.Match(input) || // why blanks
		peerError.Match(input) || // what stands behind -ERR
		emptyLine.Match(input) || // nats-server takes the line feed for the arguments' first byte
		relayed.Match(input) || // nats-server obeys an HMSG of a client as its last PUB, again
		otherKinds.Match(input) || // CONNECT of leaf nodes
		randomChoice(input)
}

var (
	strayReturn  = regexp.MustCompile(`\r[^\n]|\r$`)
	manyBlanks   = regexp.MustCompile(`[ \t]{257}`)
	peerError    = regexp.MustCompile(`(?i)-ERR`)
	relayed      = regexp.MustCompile(`(?i)HMSG`)
	emptyLine    = regexp.MustCompile(`(?i)(PUB|SUB|CONNECT|INFO)[ \t]*\n`)
	otherKinds   = regexp.MustCompile(`(?i)import|export|remote_account|proxy_sig|\\u00`)
	subscription = regexp.MustCompile(`(?i)SUB[ \t]`)
	traced       = regexp.MustCompile(`(?i)nats-trace|traceparent`)
)

// randomChoice reports whether an input subscribes more than once, so that the
// order of copies or a member of a queue group is chosen at random.
func randomChoice(input []byte) bool {
	return len(subscription.FindAll(input, 2)) > 1 || traced.Match(input)
}

// answer returns what a broker says to input.
func answer(t *testing.T, r *rival, input []byte, cut int) string {
	t.Helper()
	conn, err := r.dial()
	check(t, err)
	defer conn.Close()
	for _, part := range [][]byte{input[:cut], input[cut:], []byte(closing)} {
		if len(part) > 0 {
			_, _ = conn.Write(part) // a closed stream shows in reading
		}
	}
	_ = closeWrite(conn)
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	said, err := io.ReadAll(conn) // a reset is an end, too
	if late, ok := err.(interface{ Timeout() bool }); ok && late.Timeout() {
		t.Fatalf("%s keeps the connection", r.name)
	}
	check(t, r.await(0))
	return plainAnswer(said)
}

// plainAnswer takes away what is left to the broker.
func plainAnswer(said []byte) string {
	var kept []string
	for line := range bytes.Lines(said) {
		text := string(line)
		switch {
		case text == "PING\r\n":
			continue
		case strings.HasPrefix(text, "INFO {\"server_id\""):
			text = "INFO\r\n"
		case len(kept) > 0 && text == kept[len(kept)-1] && strings.HasPrefix(text, "-ERR 'Invalid Publish"):
			continue // nats-server says it again when the payload comes in another read
		}
		kept = append(kept, text)
	}
	// nats-server says it at the control line, Vigil when the message is complete.
	return strings.ReplaceAll(strings.Join(kept, ""),
		"-ERR 'Invalid Publish Subject'\r\n-ERR 'Unknown", "-ERR 'Unknown")
}

// tail returns what was said with its many PONGs cut short.
func tail(text string) string {
	pongs := strings.Count(text, "PONG\r\n")
	return fmt.Sprintf("%s (%d PONGs)", strings.ReplaceAll(text, "PONG\r\n", ""), pongs)
}
