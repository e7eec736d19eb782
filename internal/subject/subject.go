package subject

// Text is what a subject may come in: a string of the user's, or a part of a
// read buffer.
type Text interface{ ~string | ~[]byte }

const (
	wildToken = '*' // as a whole token: exactly one token
	wildRest  = '>' // as the whole last token: one or more tokens
)

// ValidPublish reports whether s is a subject to publish to: no empty token, no
// blank, no wildcard.
func ValidPublish[T Text](s T) bool {
	fault, _ := check(s, false)
	return fault == valid
}

// ValidSubscribe reports whether s is a pattern to subscribe to: no empty token,
// no blank, and ">" as a token only at the end.
func ValidSubscribe[T Text](s T) bool {
	fault, _ := check(s, true)
	return fault == valid
}

// HasWildcard reports whether some token of s is a wildcard.
func HasWildcard[T Text](s T) bool {
	for more := true; more; {
		var token T
		token, s, more = Cut(s)
		if isWildcard(token) {
			return true
		}
	}
	return false
}

// Cut cuts s around its first dot and reports whether there was one, so that a
// loop sees every token, the empty ones as well:
//
//	for more := true; more; {
//		token, s, more = subject.Cut(s)
//		...
//	}
func Cut[T Text](s T) (token, rest T, more bool) {
	for i := range len(s) {
		if s[i] == '.' {
			return s[:i], s[i+1:], true
		}
	}
	return s, s[len(s):], false
}

// Match reports whether a subscription to pattern gets what is published to
// subject. The subject is taken literally, wildcards too. A subject or pattern
// with an empty token and a pattern with ">" before its end match nothing.
func Match[P, S Text](pattern P, subject S) bool {
	for {
		want, restWanted, moreWanted := Cut(pattern)
		token, rest, more := Cut(subject)
		if len(want) == 1 && want[0] == wildRest {
			return !moreWanted && !hasEmptyToken(subject)
		}
		if len(token) == 0 || !matchToken(want, token) {
			return false
		}
		if !moreWanted || !more {
			return moreWanted == more
		}
		pattern, subject = restWanted, rest
	}
}

// matchToken reports whether one token of a pattern, other than ">", stands for
// the token of a subject.
func matchToken[P, S Text](want P, token S) bool {
	if len(want) == 1 && want[0] == wildToken {
		return true
	}
	return string(want) == string(token)
}

func isWildcard[T Text](token T) bool {
	return len(token) == 1 && (token[0] == wildToken || token[0] == wildRest)
}

func hasEmptyToken[T Text](s T) bool {
	after := byte('.') // the byte before s[i]
	for i := range len(s) {
		if s[i] == '.' && after == '.' {
			return true
		}
		after = s[i]
	}
	return after == '.'
}
