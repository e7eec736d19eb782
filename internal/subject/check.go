package subject

import "fmt"

// Error says what is wrong with a subject or a pattern.
type Error struct {
	Subject string // as it was given
	Reason  string // the end of a sentence: "contains a space at byte 1"
}

// Error returns a sentence such as: subject "a b": contains a space at byte 1.
func (e *Error) Error() string {
	return fmt.Sprintf("subject %q: %s", e.Subject, e.Reason)
}

// Check returns nil if ValidPublish(subject), and else an [*Error] for the user.
func Check(subject string) error { return explain(subject, false) }

// CheckPattern returns nil if ValidSubscribe(pattern), and else an [*Error] for
// the user.
func CheckPattern(pattern string) error { return explain(pattern, true) }

// fault is the clause of the grammar which a subject breaks.
type fault uint8

const (
	valid fault = iota
	emptySubject
	emptyToken
	blank
	wildcard // in a subject to publish to
	restNotLast
)

// check returns the first fault of s and the byte it is at. It is the grammar;
// all else is said in terms of it.
func check[T Text](s T, pattern bool) (fault, int) {
	if len(s) == 0 {
		return emptySubject, 0
	}
	at := 0 // where token begins in s
	for rest, more := s, true; more; {
		var token T
		token, rest, more = Cut(rest)
		if len(token) == 0 {
			return emptyToken, at
		}
		if i := indexBlank(token); i >= 0 {
			return blank, at + i
		}
		if isWildcard(token) {
			if !pattern {
				return wildcard, at
			}
			if token[0] == wildRest && more {
				return restNotLast, at
			}
		}
		at += len(token) + 1
	}
	return valid, 0
}

// indexBlank returns where the first blank of token is, or -1.
func indexBlank[T Text](token T) int {
	for i := range len(token) {
		switch token[i] {
		case ' ', '\t', '\r', '\n':
			return i
		}
	}
	return -1
}

// explain turns the fault of s, if any, into an error.
func explain(s string, pattern bool) error {
	fault, at := check(s, pattern)
	var reason string
	switch fault {
	case valid:
		return nil
	case emptySubject:
		reason = "is empty"
	case emptyToken:
		reason = fmt.Sprintf("has an empty token at byte %d", at)
	case blank:
		reason = fmt.Sprintf("contains %s at byte %d", blankNames[s[at]], at)
	case wildcard:
		reason = fmt.Sprintf("has the wildcard %c at byte %d, which only a subscription may have", s[at], at)
	case restNotLast:
		reason = fmt.Sprintf("has the wildcard > at byte %d, which may only be the last token", at)
	}
	return &Error{Subject: s, Reason: reason}
}

var blankNames = map[byte]string{
	' ':  "a space",
	'\t': "a tab",
	'\r': "a carriage return",
	'\n': "a line feed",
}
