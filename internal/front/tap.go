package front

import (
	"encoding/json"
	"hash/maphash"
	"strconv"
	"strings"

	"vigil/internal/wire"
)

const (
	// tapLine and tapPayload are the limits of what is understood, in bytes: more
	// than any broker's. They bound what a tap holds of an unfinished operation.
	tapLine    = 1 << 20
	tapPayload = 64 << 20
	// entryText bounds the text kept of one operation, in bytes.
	entryText = 200
	// preview bounds how much of a payload is shown, in bytes.
	preview = 32
)

// tap reads along with one direction of a connection.
type tap struct {
	parser wire.Parser
	rest   []byte // of an operation that is not complete
	broken bool   // this is not the protocol: nothing is understood any more
}

func newTap(side wire.Side) tap {
	return tap{parser: wire.Parser{Side: side, MaxControlLine: tapLine, MaxPayload: tapPayload}}
}

// feed returns the operations that data completes.
func (t *tap) feed(data []byte) (all []entry) {
	if t.broken {
		return nil
	}
	buf := data
	if len(t.rest) > 0 {
		t.rest = append(t.rest, data...)
		buf = t.rest
	}
	var op wire.Op
	for {
		n, err := t.parser.Next(buf, &op)
		if err != nil {
			t.broken, t.rest = true, nil
			return append(all, entry{kind: wire.None, text: "not the NATS protocol from here on: " + err.Error()})
		}
		if n == 0 {
			break
		}
		buf = buf[n:]
		if op.Kind != wire.None {
			all = append(all, entryOf(&op))
		}
	}
	if len(buf) == 0 {
		t.rest = nil
	} else {
		t.rest = append([]byte(nil), buf...)
	}
	return all
}

// entry is an operation as it is kept.
type entry struct {
	kind wire.Kind
	text string

	// What the kinds need: SUB, UNSUB, MSG, PUB.
	subject, sid string
	max          int64
	sum          uint64 // of subject and payload
	arg          string // of INFO, CONNECT and -ERR
}

func entryOf(op *wire.Op) entry {
	e := entry{kind: op.Kind, subject: string(op.Subject), sid: string(op.SID), max: op.Max}
	text := []string{op.Kind.String()}
	switch op.Kind {
	case wire.Info, wire.Connect, wire.Err:
		e.subject, e.sid = "", ""
		e.arg = string(op.Arg)
		if op.Kind == wire.Connect {
			text = append(text, withoutSecrets(op.Arg))
		} else {
			text = append(text, e.arg)
		}
	case wire.Sub:
		text = append(text, e.subject)
		if len(op.Queue) > 0 {
			text = append(text, string(op.Queue))
		}
		text = append(text, e.sid)
	case wire.Unsub:
		e.subject = ""
		text = append(text, e.sid)
		if op.Max > 0 {
			text = append(text, strconv.FormatInt(op.Max, 10))
		}
	case wire.Pub, wire.HPub, wire.Msg, wire.HMsg:
		payload := op.Payload()
		e.sum = sumOf(e.subject, payload)
		text = append(text, e.subject)
		if op.Kind == wire.Msg || op.Kind == wire.HMsg {
			text = append(text, e.sid)
		}
		if len(op.Reply) > 0 {
			text = append(text, string(op.Reply))
		}
		text = append(text, string(op.SizeText), quote(payload))
	default:
		e.subject, e.sid, e.max = "", "", 0
	}
	e.text = clip(strings.Join(text, " "))
	return e
}

// secrets are the keys of a CONNECT that prove an identity.
var secrets = []string{"pass", "auth_token", "jwt", "sig"}

// withoutSecrets returns the argument of a CONNECT with what proves an identity
// replaced, and its keys sorted.
func withoutSecrets(arg []byte) string {
	var line map[string]json.RawMessage
	if err := json.Unmarshal(arg, &line); err != nil {
		return "(unreadable)"
	}
	for _, key := range secrets {
		if _, ok := line[key]; ok {
			line[key] = json.RawMessage(`"***"`)
		}
	}
	text, err := json.Marshal(line)
	if err != nil {
		return "(unreadable)"
	}
	return string(text)
}

func quote(payload []byte) string {
	if len(payload) > preview {
		return strconv.QuoteToASCII(string(payload[:preview])) + "…"
	}
	return strconv.QuoteToASCII(string(payload))
}

func clip(s string) string {
	if len(s) > entryText {
		return strings.ToValidUTF8(s[:entryText], "") + "…"
	}
	return s
}

var seed = maphash.MakeSeed()

// sumOf tells messages apart.
func sumOf(subject string, payload []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteString(subject)
	h.WriteByte(0)
	h.Write(payload)
	return h.Sum64()
}
