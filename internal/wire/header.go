package wire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// headerVersion opens every header block.
const headerVersion = "NATS/1.0"

// Header holds the headers of a message. Keys keep their case; a key may have
// several values. The zero value is usable for reading, not for Set and Add.
type Header map[string][]string

// Get returns the first value of key, "" if there is none. An exact match goes
// before those that differ in case only, of which the first in sorted order
// counts.
func (h Header) Get(key string) string {
	if v := h[key]; len(v) > 0 {
		return v[0]
	}
	found := ""
	for k, v := range h {
		if len(v) > 0 && (found == "" || k < found) && strings.EqualFold(k, key) {
			found = k
		}
	}
	if found == "" {
		return ""
	}
	return h[found][0]
}

// Set replaces the values of key by one.
func (h Header) Set(key, value string) { h[key] = []string{value} }

// Add appends a value to those of key.
func (h Header) Add(key, value string) { h[key] = append(h[key], value) }

// Check reports a key or value that could not be sent, or would arrive as
// another: an empty key, a key with a colon, a blank, a control character or a
// byte that is not ASCII, a value with a line end or a blank at its start. What
// it accepts, ParseHeader gives back, but for keys without any value.
func (h Header) Check() error {
	for key, values := range h {
		if key == "" {
			return errors.New("wire: header with an empty key")
		}
		for i := range len(key) {
			if c := key[i]; c <= ' ' || c == ':' || c >= 0x7f {
				return fmt.Errorf("wire: header key %q: character %q is not allowed", key, c)
			}
		}
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n") {
				return fmt.Errorf("wire: header %s: value %q contains a line end", key, v)
			}
			if v != "" && isBlank(v[0]) {
				return fmt.Errorf("wire: header %s: value %q begins with a blank", key, v)
			}
		}
	}
	return nil
}

// AppendHeader appends h as a header block, its keys in sorted order.
func AppendHeader(dst []byte, h Header) []byte {
	dst = append(dst, headerVersion+crlf...)
	var room [16]string // keeps the keys of ordinary messages off the heap
	keys := room[:0]
	for k := range h {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		for _, v := range h[k] {
			dst = append(dst, k...)
			dst = append(dst, ": "...)
			dst = append(dst, v...)
			dst = append(dst, crlf...)
		}
	}
	return append(dst, crlf...)
}

// Status is the status that a broker puts on a header block's first line, such
// as 503 for a request that nobody received.
type Status struct {
	// Code is 0 when the block has no status.
	Code        int
	Description string
}

// StatusNoResponders is the code that answers a request nobody received.
const StatusNoResponders = 503

// ParseHeader decodes a header block. Lines end with CRLF or a lone LF; blanks
// before a value are no part of it; the first empty line ends the block, and
// what stands behind it is ignored.
func ParseHeader(block []byte) (Header, Status, error) {
	first, rest, ok := cutLine(block)
	text, isHeader := strings.CutPrefix(string(first), headerVersion)
	if !ok || !isHeader {
		return nil, Status{}, fmt.Errorf("wire: header block %.40q: want a line with %s", block, headerVersion)
	}
	status, err := parseStatus(text)
	if err != nil {
		return nil, Status{}, err
	}
	h := make(Header)
	for {
		line, more, found := cutLine(rest)
		if !found {
			return nil, Status{}, fmt.Errorf("wire: header block %.40q: no empty line at its end", block)
		}
		if len(line) == 0 {
			return h, status, nil
		}
		key, value, found := strings.Cut(string(line), ":")
		if !found || key == "" {
			return nil, Status{}, fmt.Errorf("wire: header line %.40q: want key: value", line)
		}
		h.Add(key, strings.TrimLeft(value, " \t"))
		rest = more
	}
}

// cutLine cuts the first line off text, without its line end.
func cutLine(text []byte) (line, rest []byte, found bool) {
	line, rest, found = bytes.Cut(text, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest, found
}

// parseStatus parses what stands behind the version: "" or " 503[ text]".
func parseStatus(text string) (Status, error) {
	text = strings.Trim(text, " \t")
	if text == "" {
		return Status{}, nil
	}
	digits, description := text, ""
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		digits, description = text[:i], strings.TrimLeft(text[i:], " \t")
	}
	code := parseSize([]byte(digits))
	if code < 0 {
		return Status{}, fmt.Errorf("wire: header status %.40q: not a number", text)
	}
	return Status{Code: code, Description: description}, nil
}

// FindHeader returns the first value of key in a header block, without parsing
// the rest of it: what ParseHeader(block).Get(key) returns if the block is well
// formed and writes the key in one way only. Keys are compared without regard to
// case. The value aliases block.
func FindHeader(block []byte, key string) (value []byte, found bool) {
	_, rest, ok := cutLine(block)
	for ok {
		var line []byte
		if line, rest, ok = cutLine(rest); !ok || len(line) == 0 {
			break
		}
		if len(line) > len(key) && line[len(key)] == ':' && strings.EqualFold(string(line[:len(key)]), key) {
			return bytes.TrimLeft(line[len(key)+1:], " \t"), true
		}
	}
	return nil, false
}
