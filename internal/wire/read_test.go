package wire

import (
	"strconv"
	"strings"
	"testing"
)

// show writes op down: its kind, then every field that its kind sets and that
// is not nil, as name=value.
func show(op *Op) string {
	var b strings.Builder
	b.WriteString(op.Kind.String())
	add := func(name string, value []byte) {
		if value != nil {
			quoted := strconv.Quote(string(value))
			b.WriteString(" " + name + "=" + quoted[1:len(quoted)-1])
		}
	}
	switch op.Kind {
	case Info, Connect, Err:
		add("arg", op.Arg)
	case Sub:
		add("subject", op.Subject)
		add("queue", op.Queue)
		add("sid", op.SID)
	case Unsub:
		add("sid", op.SID)
		add("max", strconv.AppendInt(nil, op.Max, 10))
	case Pub, HPub, Msg, HMsg:
		add("subject", op.Subject)
		if op.Kind == Msg || op.Kind == HMsg {
			add("sid", op.SID)
		}
		add("reply", op.Reply)
		if op.Kind == HPub || op.Kind == HMsg {
			add("hsize", op.HeaderSizeText)
			add("header", op.Header())
		}
		add("size", op.SizeText)
		add("payload", op.Payload())
	}
	return b.String()
}

// slicesOf returns all slices that the kind of op sets.
func slicesOf(op *Op) [][]byte {
	switch op.Kind {
	case Info, Connect, Err:
		return [][]byte{op.Arg}
	case Sub:
		return [][]byte{op.Subject, op.Queue, op.SID}
	case Unsub:
		return [][]byte{op.SID}
	case Pub:
		return [][]byte{op.Subject, op.Reply, op.SizeText, op.Frame}
	case HPub:
		return [][]byte{op.Subject, op.Reply, op.HeaderSizeText, op.SizeText, op.Frame}
	case Msg:
		return [][]byte{op.Subject, op.SID, op.Reply, op.SizeText, op.Frame}
	case HMsg:
		return [][]byte{op.Subject, op.SID, op.Reply, op.HeaderSizeText, op.SizeText, op.Frame}
	}
	return nil
}

// read parses a stream that arrives in the given pieces, as a connection's read
// loop does, and returns the operations as show writes them. It checks what
// must hold at every step.
func read(t testing.TB, parser Parser, pieces ...string) (ops []string, err error) {
	t.Helper()
	// Name and blank, more blanks, arguments and CRLF, frame.
	most := len("connect ") + parser.maxControlLine() + 1 +
		parser.maxControlLine() + 2 + parser.maxPayload() + 2
	var op Op
	pending := ""
	for _, piece := range pieces {
		buf := []byte(pending + piece)
		for {
			n, err := parser.Next(buf, &op)
			if n < 0 || n > len(buf) || n > 0 && err != nil {
				t.Fatalf("Next(%.99q) = %d, %v", buf, n, err)
			}
			if err != nil {
				return ops, err
			}
			if n == 0 {
				break
			}
			for _, s := range slicesOf(&op) {
				if len(s) != cap(s) {
					t.Fatalf("Next(%.99q): an append to %q would overwrite the buffer", buf, s)
				}
			}
			buf = buf[n:]
			if op.Kind != None {
				ops = append(ops, show(&op))
			} else if len(buf) != 0 {
				t.Fatalf("Next consumed a part of a line and left %.99q", buf)
			}
		}
		if pending = string(buf); len(pending) > most {
			t.Fatalf("%d bytes are wanted at once, limit %d", len(pending), most)
		}
	}
	return ops, nil
}

// bytewise cuts text into pieces of one byte.
func bytewise(text string) []string {
	pieces := make([]string, len(text))
	for i := range pieces {
		pieces[i] = text[i : i+1]
	}
	return pieces
}
