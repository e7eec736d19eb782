package wire

import "strconv"

// Whole operations that never vary.
const (
	PingLine = "PING\r\n"
	PongLine = "PONG\r\n"
	OKLine   = "+OK\r\n"
	crlf     = "\r\n"
)

// AppendPub appends a PUB, with a reply subject unless that is empty.
func AppendPub(dst []byte, subject, reply string, payload []byte) []byte {
	dst = append(dst, "PUB "...)
	dst = append(dst, subject...)
	dst = append(dst, ' ')
	if reply != "" {
		dst = append(dst, reply...)
		dst = append(dst, ' ')
	}
	dst = strconv.AppendInt(dst, int64(len(payload)), 10)
	dst = append(dst, crlf...)
	dst = append(dst, payload...)
	return append(dst, crlf...)
}

// AppendHPub appends an HPUB whose header block is header, as made by
// [AppendHeader].
func AppendHPub(dst []byte, subject, reply string, header, payload []byte) []byte {
	dst = append(dst, "HPUB "...)
	dst = append(dst, subject...)
	dst = append(dst, ' ')
	if reply != "" {
		dst = append(dst, reply...)
		dst = append(dst, ' ')
	}
	dst = strconv.AppendInt(dst, int64(len(header)), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(len(header)+len(payload)), 10)
	dst = append(dst, crlf...)
	dst = append(dst, header...)
	dst = append(dst, payload...)
	return append(dst, crlf...)
}

// AppendSub appends a SUB, in a queue group unless queue is empty.
func AppendSub(dst []byte, subject, queue, sid string) []byte {
	dst = append(dst, "SUB "...)
	dst = append(dst, subject...)
	dst = append(dst, ' ')
	if queue != "" {
		dst = append(dst, queue...)
		dst = append(dst, ' ')
	}
	dst = append(dst, sid...)
	return append(dst, crlf...)
}

// MaxUnsub is the largest total that an UNSUB can name: brokers take one of
// more digits for no number, which ends the subscription at once.
const MaxUnsub = 999_999_999

// AppendUnsub appends an UNSUB, after a total of limit messages unless limit is
// 0 or less. A limit over [MaxUnsub] is sent as that; who needs more has to
// count and send the UNSUB when it is reached.
func AppendUnsub(dst []byte, sid string, limit int64) []byte {
	dst = append(dst, "UNSUB "...)
	dst = append(dst, sid...)
	if limit > 0 {
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, min(limit, MaxUnsub), 10)
	}
	return append(dst, crlf...)
}

// AppendMsgStart appends what a MSG to the subscription sid begins with. With
// the Tail of a [Pub] to that subject it is the whole, as [AppendMsg] makes it.
func AppendMsgStart(dst, subject []byte, sid string) []byte {
	dst = append(dst, "MSG "...)
	dst = append(dst, subject...)
	dst = append(dst, ' ')
	dst = append(dst, sid...)
	return append(dst, ' ')
}

// AppendMsg appends op, a published message, as the MSG or HMSG that the
// subscription sid gets: HMSG when op carries a header and headers is true,
// else MSG, with the header block left out. Size digits are echoed as they
// were sent.
func AppendMsg(dst []byte, op *Op, sid string, headers bool) []byte {
	if op.HeaderLen > 0 && headers {
		dst = append(dst, "HMSG "...)
		dst = appendRoute(dst, op, sid)
		dst = append(dst, op.HeaderSizeText...)
		dst = append(dst, ' ')
	} else {
		dst = append(dst, "MSG "...)
		dst = appendRoute(dst, op, sid)
		if op.HeaderLen > 0 {
			payload := op.Frame[op.HeaderLen:]
			dst = strconv.AppendInt(dst, int64(len(payload)-2), 10)
			dst = append(dst, crlf...)
			return append(dst, payload...)
		}
	}
	dst = append(dst, op.SizeText...)
	dst = append(dst, crlf...)
	return append(dst, op.Frame...)
}

func appendRoute(dst []byte, op *Op, sid string) []byte {
	dst = append(dst, op.Subject...)
	dst = append(dst, ' ')
	dst = append(dst, sid...)
	dst = append(dst, ' ')
	if len(op.Reply) > 0 {
		dst = append(dst, op.Reply...)
		dst = append(dst, ' ')
	}
	return dst
}

// MsgOverhead bounds what [AppendMsg] adds to subject, sid, reply and frame.
const MsgOverhead = len("HMSG ") + 4*len(" ") + 2*maxSizeDigits + len(crlf)

// AppendNoResponders appends the answer to a request that nobody received: a
// message without payload to the request's reply subject, whose header has the
// status 503 and names the subject asked.
func AppendNoResponders(dst, reply []byte, sid string, subject []byte) []byte {
	const status = "NATS/1.0 503\r\nNats-Subject: "
	size := int64(len(status) + len(subject) + 2*len(crlf))
	dst = append(dst, "HMSG "...)
	dst = append(dst, reply...)
	dst = append(dst, ' ')
	dst = append(dst, sid...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, size, 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, size, 10)
	dst = append(dst, crlf...)
	dst = append(dst, status...)
	dst = append(dst, subject...)
	return append(dst, crlf+crlf+crlf...)
}

// AppendErr appends an -ERR with its text in single quotes. The text must have
// no line end.
func AppendErr(dst []byte, text string) []byte {
	dst = append(dst, "-ERR '"...)
	dst = append(dst, text...)
	return append(dst, "'\r\n"...)
}
