package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"vigil/internal/front"
)

// operation is one thing that can be asked.
type operation struct {
	method, path string
	summary      string
	// fields are the keys that the request may have: of its body, or with GET of its
	// query. required are those it must have.
	fields, required []string
	// result is what is answered, by an example; text is a plain text instead.
	result any
	text   bool
	run    func(ctx context.Context, s *Server, r *request) (any, error)
}

// request is what a body or query may say. A key is the field's name in JSON.
type request struct {
	Client         string    `json:"client"`
	Connection     uint64    `json:"connection"`
	Direction      direction `json:"direction"`
	Delay          span      `json:"delay"`
	BytesPerSecond int       `json:"bytes_per_second"`
	Bytes          int64     `json:"bytes"`
	Subject        string    `json:"subject"`
	Data           string    `json:"data"`
	Count          int       `json:"count"`
	Within         span      `json:"within"`
	Quiet          span      `json:"quiet"`
	IDs            []int     `json:"ids"`
}

// field is a key of a request as the OpenAPI file tells it.
type field struct {
	kind, about string
	example     any
}

// fields are all keys.
var fields = map[string]field{
	"client":           {"string", "the client that calls itself so in CONNECT; without it, all", "orders"},
	"connection":       {"integer", "the connection whose INFO had that client_id", 7},
	"direction":        {"string", "to_broker, from_broker or both, which is the default", "both"},
	"delay":            {"string", "how much longer each byte takes, each way, such as 50ms; 0s ends it", "50ms"},
	"bytes_per_second": {"integer", "how many bytes may pass; 0 ends it", 10000},
	"bytes":            {"integer", "how many more bytes of the broker's reach the client", 25},
	"subject":          {"string", "a subject, or where it makes sense a pattern", "orders.1"},
	"data":             {"string", "the payload", "hello"},
	"count":            {"integer", "how many; 1 by default", 1},
	"within":           {"string", "how long to wait, such as 5s; 30s by default, 10m at most", "5s"},
	"quiet":            {"string", "for how long nothing but PING and PONG passes; 100ms by default", "100ms"},
	"ids":              {"array", "the numbers of the messages that the client under test got", []int{1, 2, 3}},
}

// direction is a front.Direction in JSON.
type direction front.Direction

func (d *direction) UnmarshalJSON(text []byte) error {
	known := map[string]front.Direction{"to_broker": front.ToBroker, "from_broker": front.FromBroker, "both": front.Both}
	var name string
	if err := json.Unmarshal(text, &name); err != nil {
		return err
	}
	found, ok := known[name]
	if !ok {
		return fmt.Errorf("direction %q: want to_broker, from_broker or both", name)
	}
	*d = direction(found)
	return nil
}

// span is a time.Duration in JSON: a string such as 1.5s.
type span time.Duration

func (s *span) UnmarshalJSON(text []byte) error {
	var written string
	if err := json.Unmarshal(text, &written); err != nil {
		return err
	}
	d, err := time.ParseDuration(written)
	if err != nil || d < 0 || d > maxSpan {
		return fmt.Errorf("duration %q: want one such as 1.5s or 50ms, %v at most", written, maxSpan)
	}
	*s = span(d)
	return nil
}

const (
	// maxSpan bounds what can be waited for, and delays.
	maxSpan = 10 * time.Minute
	// defaultWithin is how long is waited for by default.
	defaultWithin = 30 * time.Second
	// defaultQuiet is how long idle is by default.
	defaultQuiet = 100 * time.Millisecond
)

// scope is whose connections are meant. A client must have a name to be meant by it.
func (r *request) scope() front.Scope {
	switch {
	case r.Connection != 0:
		return front.Numbered(r.Connection)
	case r.Client != "":
		return front.Named(r.Client)
	}
	return front.Scope{}
}

// whom are the fields of a scope.
var whom = []string{"client", "connection"}

// done is the result of what has none.
type done struct{}

// fault is an operation that makes or ends a fault of some scope.
func fault(path, summary string, fields, required []string, how func(f *front.Front, r *request) error) operation {
	return operation{
		method: http.MethodPost, path: path, summary: summary,
		fields: append(slices.Clone(whom), fields...), required: required, result: done{},
		run: func(_ context.Context, s *Server, r *request) (any, error) { return done{}, how(s.front, r) },
	}
}

// whole is an operation on the broker as a whole.
func whole(path, summary string, how func(f *front.Front) error) operation {
	return operation{
		method: http.MethodPost, path: path, summary: summary, result: done{},
		run: func(_ context.Context, s *Server, _ *request) (any, error) { return done{}, how(s.front) },
	}
}

// await is an operation that waits.
func await(path, summary string, fields, required []string, result any, how func(ctx context.Context, f *front.Front, r *request) (any, error)) operation {
	return operation{
		method: http.MethodPost, path: path, summary: summary,
		fields: append([]string{"within"}, fields...), required: required, result: result,
		run: func(ctx context.Context, s *Server, r *request) (any, error) {
			within := time.Duration(r.Within)
			if within == 0 {
				within = defaultWithin
			}
			ctx, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			return how(ctx, s.front, r)
		},
	}
}

// told is an operation that answers a text.
func told(path, summary string, fields []string, how func(s *Server, r *request) (string, error)) operation {
	return operation{
		method: http.MethodGet, path: path, summary: summary, fields: fields, text: true,
		run: func(_ context.Context, s *Server, r *request) (any, error) { return how(s, r) },
	}
}
