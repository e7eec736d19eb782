package main

import (
	"crypto/rand"
	"strconv"
	"strings"
	"time"

	"vigil/internal/cli"
	"vigil/publisher"
)

// parseHeaders returns the headers of flags such as "Key: value".
func parseHeaders(flags []string) (publisher.Header, error) {
	if len(flags) == 0 {
		return nil, nil
	}
	h := make(publisher.Header, len(flags))
	for _, f := range flags {
		key, value, found := strings.Cut(f, ":")
		if !found {
			return nil, cli.Usagef("--header %q: want key:value", f)
		}
		h.Add(strings.TrimSpace(key), strings.TrimSpace(value))
	}
	if err := h.Check(); err != nil {
		return nil, cli.Usagef("--header: %v", err)
	}
	return h, nil
}

// fill fills in what stands in braces in a payload: {n}, and of the nats tool's
// templates {{Count}}, {{Time}}, {{TimeStamp}}, {{Unix}}, {{UnixNano}}, {{ID}}.
func fill(text string, n int, now time.Time) string {
	if !strings.Contains(text, "{") {
		return text
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		value, after, ok := expand(rest, n, now)
		if !ok {
			value, after = "{", rest
		}
		b.WriteString(value)
		text = after
	}
}

// expand returns what stands for the placeholder at the beginning of text, whose
// first brace is gone, and what follows it.
func expand(text string, n int, now time.Time) (value, rest string, ok bool) {
	if rest, ok = strings.CutPrefix(text, "n}"); ok {
		return strconv.Itoa(n), rest, true
	}
	if !strings.HasPrefix(text, "{") {
		return "", "", false
	}
	name, rest, ok := strings.Cut(text[1:], "}}")
	if !ok {
		return "", "", false
	}
	switch strings.TrimSpace(name) {
	case "Count":
		value = strconv.Itoa(n)
	case "Time":
		value = now.Format(time.Kitchen)
	case "TimeStamp":
		value = now.Format(time.RFC3339)
	case "Unix":
		value = strconv.FormatInt(now.Unix(), 10)
	case "UnixNano":
		value = strconv.FormatInt(now.UnixNano(), 10)
	case "ID":
		value = rand.Text()
	default:
		return "", "", false
	}
	return value, rest, true
}
