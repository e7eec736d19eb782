package wire

// maxSizeDigits bounds the digits of a size, as nats-server does: more cannot
// be a size that any limit allows, and fewer cannot overflow.
const maxSizeDigits = 9

// parseSize returns the value of up to nine decimal digits, -1 for anything
// else.
func parseSize(text []byte) int {
	if len(text) == 0 || len(text) > maxSizeDigits {
		return -1
	}
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// maxArguments is the most that any operation takes: HMSG with a reply.
const maxArguments = 5

// split cuts arg at blanks into fields and returns how many there are. More
// than maxArguments are counted as maxArguments+1, and a carriage return in a
// field makes it -1: some receivers take one for a blank, so that a subject
// could smuggle arguments into the MSG that they get.
func split(arg []byte, fields *[maxArguments][]byte) int {
	n, start := 0, -1
	for i, c := range arg {
		switch {
		case c > ' ':
			if start < 0 {
				start = i
			}
		case isBlank(c):
			if start < 0 {
				continue
			}
			if n == maxArguments {
				return n + 1
			}
			fields[n] = arg[start:i:i]
			n++
			start = -1
		case c == '\r':
			return -1
		case start < 0:
			start = i
		}
	}
	if start >= 0 {
		if n == maxArguments {
			return n + 1
		}
		fields[n] = arg[start:len(arg):len(arg)]
		n++
	}
	return n
}

// parseMessage parses the arguments of PUB, HPUB, MSG and HMSG, which differ in
// whether there is a sid and a header size, and returns the total size:
//
//	subject [sid] [reply] [header size] total size
func parseMessage(kind Kind, arg []byte, op *Op) (size int, err error) {
	var f [maxArguments][]byte
	n := split(arg, &f)
	want, next := 2, 1
	if kind == Msg || kind == HMsg {
		want, next = 3, 2
		op.SID = f[1]
	}
	hasHeader := kind == HPub || kind == HMsg
	if hasHeader {
		want++
	}
	op.Subject, op.Reply = f[0], nil
	switch n {
	case want:
	case want + 1:
		op.Reply = f[next]
	default:
		return 0, ErrArguments
	}
	op.SizeText, op.HeaderLen = f[n-1], 0
	size = parseSize(op.SizeText)
	if size < 0 {
		return 0, ErrArguments
	}
	if hasHeader {
		op.HeaderSizeText = f[n-2]
		op.HeaderLen = parseSize(op.HeaderSizeText)
		if op.HeaderLen < 0 || op.HeaderLen > size {
			return 0, ErrArguments
		}
	}
	return size, nil
}

// parseSub parses "subject [queue] sid".
func parseSub(arg []byte, op *Op) error {
	var f [maxArguments][]byte
	switch split(arg, &f) {
	case 2:
		op.Subject, op.Queue, op.SID = f[0], nil, f[1]
	case 3:
		op.Subject, op.Queue, op.SID = f[0], f[1], f[2]
	default:
		return ErrArguments
	}
	return nil
}

// parseUnsub parses "sid [max]". A max that is no number means at once, as if
// it were absent.
func parseUnsub(arg []byte, op *Op) error {
	var f [maxArguments][]byte
	switch split(arg, &f) {
	case 1:
		op.SID, op.Max = f[0], 0
	case 2:
		op.SID, op.Max = f[0], int64(max(parseSize(f[1]), 0))
	default:
		return ErrArguments
	}
	return nil
}
