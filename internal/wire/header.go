package wire

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// headerVersion opens every header block.
const headerVersion = "NATS/1.0"

// Header holds the headers of a message. Keys keep their case; a key may have
// several values. The zero value is usable for reading, not for Set and Add.
type Header map[string][]string

// Get returns the first value of key, "" if there is none. An exact match goes
// before one that differs in case only.
func (h Header) Get(key string) string {
	if v := h[key]; len(v) > 0 {
		return v[0]
	}
	for k, v := range h {
		if len(v) > 0 && strings.EqualFold(k, key) {
			return v[0]
		}
	}
	return ""
}

// Set replaces the values of key by one.
func (h Header) Set(key, value string) { h[key] = []string{value} }

// Add appends a value to those of key.
func (h Header) Add(key, value string) { h[key] = append(h[key], value) }

// Check reports the first key or value that could not be sent: an empty key,
// a key with a colon, a blank or a control character, a value with a line end.
func (h Header) Check() error {
	for key, values := range h {
		if key == "" {
			return fmt.Errorf("wire: header with an empty key")
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
		}
	}
	return nil
}

// AppendHeader appends h as a header block, its keys in sorted order.
func AppendHeader(dst []byte, h Header) []byte {
	dst = append(dst, headerVersion+crlf...)
	keys := make([]string, 0, len(h))
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

// ParseHeader decodes a header block.
func ParseHeader(block []byte) (Header, Status, error) {
	first, rest, ok := bytes.Cut(block, []byte(crlf))
	text, isHeader := strings.CutPrefix(string(first), headerVersion)
	if !ok || !isHeader || !bytes.HasSuffix(block, []byte(crlf+crlf)) {
		return nil, Status{}, fmt.Errorf("wire: header block %.40q: want %q, lines, an empty line", block, headerVersion)
	}
	status, err := parseStatus(text)
	if err != nil {
		return nil, Status{}, err
	}
	h := make(Header)
	for {
		line, more, found := bytes.Cut(rest, []byte(crlf))
		if !found || len(line) == 0 {
			return h, status, nil
		}
		key, value, found := strings.Cut(string(line), ":")
		if !found || key == "" {
			return nil, Status{}, fmt.Errorf("wire: header line %.40q: want key: value", line)
		}
		h.Add(key, strings.Trim(value, " \t"))
		rest = more
	}
}

// parseStatus parses what stands behind the version: "" or " 503[ text]".
func parseStatus(text string) (Status, error) {
	text = strings.Trim(text, " \t")
	if text == "" {
		return Status{}, nil
	}
	digits, description, _ := strings.Cut(text, " ")
	code, err := strconv.Atoi(digits)
	if err != nil || code < 0 {
		return Status{}, fmt.Errorf("wire: header status %.40q: not a number", text)
	}
	return Status{Code: code, Description: strings.TrimLeft(description, " \t")}, nil
}
