package control

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"vigil/internal/front"
)

const (
	// maxBody bounds a request's body, in bytes: a message of the protocol's default
	// size with everything in it escaped.
	maxBody = 8 << 20
	// maxRequests bounds the requests served at once; waits are requests, too.
	maxRequests = 256
	// readTimeout bounds how long a request may take to come.
	readTimeout = 10 * time.Second
)

// openapi describes the operations. It is made by the tests.
//
//go:embed openapi.json
var openapi []byte

// Server answers requests for faults of one broker. Use New. It may be used
// concurrently.
type Server struct {
	front *front.Front
	ca    string // PEM, or ""
	mux   *http.ServeMux
	slots chan struct{}
}

// New returns a server for a broker, whose certificate was signed by ca: PEM, "" if it
// has none.
func New(f *front.Front, ca string) *Server {
	s := &Server{front: f, ca: ca, mux: http.NewServeMux(), slots: make(chan struct{}, maxRequests)}
	for i := range operations {
		op := &operations[i]
		s.mux.HandleFunc(op.method+" "+op.path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, op) })
	}
	s.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(openapi) // the client has gone
	})
	return s
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "" || !local(r.Host) {
		refuse(w, http.StatusForbidden, errors.New("requests from web pages, and by a name other than localhost, are refused"))
		return
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		refuse(w, http.StatusServiceUnavailable, fmt.Errorf("%d requests are being served", maxRequests))
		return
	}
	s.mux.ServeHTTP(w, r)
}

// local reports whether a request was for an address, and not for a name that somebody
// else may have given it.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "localhost" || net.ParseIP(strings.Trim(host, "[]")) != nil
}

// serve carries an operation out.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, op *operation) {
	asked, err := op.read(w, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	result, err := op.run(r.Context(), s, asked)
	switch {
	case err != nil:
		refuse(w, http.StatusConflict, err)
	case op.text:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintln(w, result)
	default:
		answer(w, http.StatusOK, result)
	}
}

// failure is what an error answers: a sentence, and for what did not happen in time, or
// was not delivered, the timeline.
type failure struct {
	Error    string `json:"error"`
	Timeline string `json:"timeline,omitempty"`
}

func refuse(w http.ResponseWriter, status int, err error) {
	told := failure{Error: err.Error()}
	if late, ok := errors.AsType[*front.StoryError](err); ok {
		told = failure{late.Text, late.Story}
	}
	answer(w, status, told)
}

func answer(w http.ResponseWriter, status int, result any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(result) // fails when the client has gone
}

// read reads what is asked.
func (op *operation) read(w http.ResponseWriter, r *http.Request) (*request, error) {
	keys := map[string]json.RawMessage{}
	if op.method == http.MethodGet {
		for key, values := range r.URL.Query() {
			text, err := json.Marshal(values[0])
			if err != nil {
				return nil, err
			}
			keys[key] = text
		}
	} else {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			return nil, fmt.Errorf("read the body: %w", err)
		}
		if len(bytes.TrimSpace(body)) > 0 {
			if err := json.Unmarshal(body, &keys); err != nil {
				return nil, fmt.Errorf("want a JSON object: %w", err)
			}
		}
	}
	for key := range keys {
		if !slices.Contains(op.fields, key) {
			return nil, fmt.Errorf("unknown key %q: want %s", key, orNone(op.fields))
		}
	}
	for _, key := range op.required {
		if _, ok := keys[key]; !ok {
			return nil, fmt.Errorf("the key %q is missing", key)
		}
	}
	return decode(keys)
}

// decode makes a request of its keys.
func decode(keys map[string]json.RawMessage) (*request, error) {
	text, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	var asked request
	if err := json.Unmarshal(text, &asked); err != nil {
		return nil, err
	}
	if asked.BytesPerSecond < 0 || asked.Bytes < 0 || asked.Count < 0 {
		return nil, errors.New("a number is negative")
	}
	return &asked, nil
}

func orNone(keys []string) string {
	if len(keys) == 0 {
		return "none"
	}
	return strings.Join(keys, ", ")
}

// Serve serves on l until ctx ends. Waits that are under way then end with an error.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control: %w", err)
	}
	return nil
}
