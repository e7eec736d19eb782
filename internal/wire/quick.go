package wire

import (
	"encoding/binary"
	"math/bits"
)

// The operation of each side that makes up nearly all traffic, as the
// little-endian value of its name in lower case and a blank.
var common = [...]struct {
	verb uint32
	kind Kind
}{
	FromClient: {'p' | 'u'<<8 | 'b'<<16 | ' '<<24, Pub},
	FromBroker: {'m' | 's'<<8 | 'g'<<16 | ' '<<24, Msg},
}

// lower3 makes three letters lower case in such a value.
const lower3 = 0x00202020

// quick parses, in one pass, a message of the shape that nearly all have: PUB
// or MSG with one blank between the fields, CRLF, all of it in buf. It returns
// 0 for any other, be it right, wrong or incomplete; [Parser.line] decides
// about those.
func (p *Parser) quick(buf []byte, kind Kind, op *Op) int {
	const arg = len("PUB ")
	i := wordEnd(buf, arg)
	if i == arg || i == len(buf) || buf[i] != ' ' {
		return 0
	}
	op.Subject, op.Reply = buf[arg:i:i], nil
	i++
	tail := i
	if kind == Msg {
		sid := i
		i = wordEnd(buf, i)
		if i == sid || i == len(buf) || buf[i] != ' ' {
			return 0
		}
		op.SID = buf[sid:i:i]
		i++
	}
	digits := i
	size, i := number(buf, i)
	if i < len(buf) && buf[i] != '\r' {
		i = wordEnd(buf, i)
		if i == digits || i == len(buf) || buf[i] != ' ' {
			return 0
		}
		op.Reply = buf[digits:i:i]
		digits = i + 1
		size, i = number(buf, digits)
	}
	at := i + len(crlf)
	end := at + size + len(crlf)
	if i == digits || i-digits > maxSizeDigits || i-arg > p.maxControlLine() ||
		size > p.maxPayload() || len(buf) < end ||
		buf[i] != '\r' || buf[i+1] != '\n' || buf[end-2] != '\r' || buf[end-1] != '\n' {
		return 0
	}
	op.Kind, op.HeaderLen = kind, 0
	op.SizeText = buf[digits:i:i]
	op.Frame = buf[at:end:end]
	op.Tail = buf[tail:end:end]
	return end
}

// number returns the value of the digits of buf from index i on, of one more
// than a size may have at most, and the index behind them.
func number(buf []byte, i int) (n, end int) {
	last := min(len(buf), i+maxSizeDigits+1)
	for ; i < last && isDigit(buf[i]); i++ {
		n = n*10 + int(buf[i]-'0')
	}
	return n, i
}

// wordEnd returns the index of the first blank or control character of buf
// from i on, len(buf) if there is none. It looks at eight bytes at a time.
func wordEnd(buf []byte, i int) int {
	const each = 0x0101010101010101
	for ; len(buf)-i >= 8; i += 8 {
		word := binary.LittleEndian.Uint64(buf[i:])
		// The lowest bit that is set is the top one of the first byte below '!'.
		if low := (word - '!'*each) &^ word & (0x80 * each); low != 0 {
			return i + bits.TrailingZeros64(low)/8
		}
	}
	for i < len(buf) && buf[i] > ' ' {
		i++
	}
	return i
}
