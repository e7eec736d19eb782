package wire

import (
	"maps"
	"slices"
	"strings"
)

// Carrier is a Header as tracing libraries want to see it: convert one to the
// other. It has the methods of OpenTelemetry's propagation.TextMapCarrier, whose
// propagators write trace context into a header with Set and find it with Get,
// whatever case the other side wrote its keys in. On the wire the keys are in
// lower case, as W3C Trace Context has them. A nil Carrier can be read, not set.
type Carrier map[string][]string

// Get returns the first value of key, written in any case, "" if there is none.
func (c Carrier) Get(key string) string { return Header(c).Get(key) }

// Set replaces the values of key, written in any case, by one, with the key in
// lower case.
func (c Carrier) Set(key, value string) {
	maps.DeleteFunc(c, func(k string, _ []string) bool { return strings.EqualFold(k, key) })
	c[strings.ToLower(key)] = []string{value}
}

// Keys returns the keys in lower case, sorted, each once.
func (c Carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, strings.ToLower(k))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
