package lab

import (
	"bytes"
	"strconv"
	"time"
)

// witness is told what a contender experiences, as it happens. Its methods may
// be called concurrently.
type witness interface {
	// received is told the number of a message that came.
	received(n int)
	// noticed is told that the contender gave up a connection.
	noticed(l loss)
	// reconnected is told that it stands on a new one.
	reconnected(text string)
	// claims is told a deaf window that the contender reports.
	claims(from, to time.Time)
	// remark is told what is worth a line and is none of these.
	remark(text string, good bool)
}

// loss is what a contender says of a connection that it gives up.
type loss struct {
	cause string
	// silence is how long it had heard nothing by its own account, 0 if it
	// gives none.
	silence time.Duration
	// pauses is how often, by its own account, its process had not been running
	// in that time, so that it began to ask anew.
	pauses int
	// own is set if its own detection found out; otherwise the network told it,
	// by a FIN or a RST.
	own bool
}

// receive tells the number of a message of the feed.
func receive(w witness, payload []byte) {
	if n, ok := numberIn(payload); ok {
		w.received(n)
	}
}

// numberIn returns the number at the start of a payload. What follows it, to
// make the message larger, is behind a blank.
func numberIn(payload []byte) (n int, ok bool) {
	for k, c := range payload {
		if c == ' ' && k > 0 {
			return n, true
		}
		if c < '0' || c > '9' || k >= maxDigits {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, len(payload) > 0
}

// maxDigits bounds the numbers of messages to what an int holds everywhere.
const maxDigits = 9

// appendNumber appends the payload of message n, size bytes at least.
func appendNumber(b []byte, n, size int) []byte {
	start := len(b)
	b = strconv.AppendInt(b, int64(n), 10)
	if short := size - (len(b) - start); short > 0 {
		b = append(b, ' ')
		b = append(b, bytes.Repeat([]byte{'.'}, short-1)...)
	}
	return b
}
