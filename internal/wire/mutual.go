package wire

import (
	"strconv"
	"time"
)

// AppendPing appends a PING that says how long ago its sender last heard the
// other end.
func AppendPing(dst []byte, age time.Duration) []byte {
	dst = append(dst, "PING "...)
	dst = strconv.AppendInt(dst, max(age.Milliseconds(), 0), 10)
	return append(dst, crlf...)
}

// ParsePing returns the age in the argument of a PING, false if there is none
// or it is no number of at most twelve digits.
func ParsePing(arg []byte) (age time.Duration, ok bool) {
	if len(arg) == 0 || len(arg) > 12 {
		return 0, false
	}
	ms := int64(0)
	for _, c := range arg {
		if !isDigit(c) {
			return 0, false
		}
		ms = 10*ms + int64(c-'0')
	}
	return time.Duration(ms) * time.Millisecond, true
}
