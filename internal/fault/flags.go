package fault

import "strings"

// Flags are flags of a TCP segment, RFC 9293 section 3.1; they add up.
type Flags uint8

const (
	// FIN is in the segment that ends a stream.
	FIN Flags = 1 << iota
	// SYN is in the two segments that open a connection.
	SYN
	// RST is in the segment that refuses or aborts a connection.
	RST
)

// String returns the names, as in "FIN|RST", or "none".
func (f Flags) String() string {
	var names []string
	for i, name := range []string{"FIN", "SYN", "RST"} {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, "|")
}
