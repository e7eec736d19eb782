package wire

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oracle parses a stream as [Parser] does, slowly and plainly: it looks at the
// whole stream again for every operation and knows no fast path. It returns
// what read returns.
func oracle(side Side, maxLine, maxPayload int, stream string) (ops []string, err error) {
	for stream != "" {
		name, err := oracleName(side, stream)
		if name == "" {
			return ops, err
		}
		rest := stream[len(name):]
		line, tail, complete := strings.Cut(rest, "\n")
		op := Op{Kind: oracleKinds[name]}
		switch name {
		case "ping", "pong", "+ok":
			if !complete {
				return ops, nil
			}
			ops, stream = append(ops, show(&op)), tail
			continue
		case "connect", "info":
		default:
			if rest == "" {
				return ops, nil
			}
			if !strings.ContainsAny(rest[:1], " \t") {
				return ops, ErrUnknownOperation
			}
		}
		args := strings.TrimLeft(line, " \t")
		if len(line)-len(args) > maxLine+1 {
			return ops, ErrControlLine
		}
		args = strings.TrimSuffix(args, "\r")
		if len(args) > maxLine {
			return ops, ErrControlLine
		}
		if !complete {
			return ops, nil
		}
		size := oracleArguments(&op, args)
		switch {
		case size == oracleBad:
			return ops, ErrArguments
		case size > maxPayload:
			return ops, ErrMaxPayload
		case size >= 0:
			if len(tail) > size && tail[size] != '\r' {
				return ops, ErrUnknownOperation
			}
			if len(tail) > size+1 && tail[size+1] != '\n' {
				return ops, ErrUnknownOperation
			}
			if len(tail) < size+2 {
				return ops, nil
			}
			op.Frame, tail = []byte(tail[:size+2]), tail[size+2:]
		}
		ops, stream = append(ops, show(&op)), tail
	}
	return ops, nil
}

var oracleKinds = map[string]Kind{
	"info": Info, "connect": Connect, "pub": Pub, "hpub": HPub, "sub": Sub,
	"unsub": Unsub, "msg": Msg, "hmsg": HMsg, "ping": Ping, "pong": Pong,
	"+ok": OK, "-err": Err,
}

// oracleName returns the operation's name that stream begins with, "" if there
// is none yet, and the error if there cannot be one.
func oracleName(side Side, stream string) (string, error) {
	lower := []byte(stream[:min(len(stream), 8)])
	for i, c := range lower {
		if c >= 'A' && c <= 'Z' {
			lower[i] = c - 'A' + 'a'
		}
	}
	foreign := []string{"msg", "hmsg"}
	if side == FromBroker {
		foreign = []string{"pub", "hpub", "sub", "unsub", "connect"}
	}
	err := ErrUnknownOperation
	for name := range oracleKinds {
		if slices.Contains(foreign, name) {
			continue
		}
		if strings.HasPrefix(string(lower), name) {
			return name, nil
		}
		if strings.HasPrefix(name, string(lower)) {
			err = nil
		}
	}
	return "", err
}

const (
	oracleBad  = -1 // bad arguments
	oracleNone = -2 // an operation without a payload
)

var oracleSize = regexp.MustCompile(`^[0-9]{1,9}$`)

// oracleArguments sets the fields of op and returns the size of its payload.
func oracleArguments(op *Op, args string) int {
	if op.Kind == Info || op.Kind == Connect || op.Kind == Err {
		op.Arg = []byte(args)
		return oracleNone
	}
	if strings.Contains(args, "\r") {
		return oracleBad
	}
	fields := strings.FieldsFunc(args, func(r rune) bool { return r == ' ' || r == '\t' })
	want := map[Kind]string{
		Pub: "subject [reply] size", HPub: "subject [reply] hsize size",
		Msg: "subject sid [reply] size", HMsg: "subject sid [reply] hsize size",
		Sub: "subject [queue] sid", Unsub: "sid [max]",
	}[op.Kind]
	names := strings.Fields(want)
	if len(fields) == len(names)-1 {
		names = slices.DeleteFunc(names, func(s string) bool { return s[0] == '[' })
	}
	if len(fields) != len(names) {
		return oracleBad
	}
	value := func(text []byte) int {
		if !oracleSize.Match(text) {
			return oracleBad
		}
		n, _ := strconv.Atoi(string(text))
		return n
	}
	size := oracleNone
	for i, name := range names {
		field := []byte(fields[i])
		switch name {
		case "subject":
			op.Subject = field
		case "[reply]":
			op.Reply = field
		case "[queue]":
			op.Queue = field
		case "sid":
			op.SID = field
		case "[max]":
			op.Max = int64(max(value(field), 0))
		case "hsize":
			op.HeaderSizeText, op.HeaderLen = field, value(field)
		case "size":
			op.SizeText, size = field, value(field)
		}
	}
	if size >= 0 && (op.HeaderLen < 0 || op.HeaderLen > size) {
		return oracleBad
	}
	return size
}
