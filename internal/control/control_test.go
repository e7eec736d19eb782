package control

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"vigil/broker"
	"vigil/internal/embedded"
	"vigil/internal/front"
)

var update = flag.Bool("update", false, "make openapi.json anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// object is JSON.
type object = map[string]any

// describe makes the OpenAPI file.
func describe() object {
	paths := object{}
	for _, op := range operations {
		described := object{
			"summary":     op.summary,
			"operationId": strings.NewReplacer("/v1/", "", "/", "-").Replace(op.path),
			"responses": object{
				"200": object{"description": "done", "content": content(op)},
				"400": object{"description": "the request is wrong", "content": object{"application/json": object{"schema": ref("Failure")}}},
				"409": object{"description": "it could not be done, or did not happen in time", "content": object{"application/json": object{"schema": ref("Failure")}}},
			},
		}
		if op.method == http.MethodGet {
			var parameters []object
			for _, key := range op.fields {
				parameters = append(parameters, object{"name": key, "in": "query", "required": slices.Contains(op.required, key), "schema": schema(key)})
			}
			if parameters != nil {
				described["parameters"] = parameters
			}
		} else if len(op.fields) > 0 {
			properties := object{}
			for _, key := range op.fields {
				properties[key] = schema(key)
			}
			body := object{"type": "object", "additionalProperties": false, "properties": properties}
			if len(op.required) > 0 {
				body["required"] = op.required
			}
			described["requestBody"] = object{"required": len(op.required) > 0, "content": object{"application/json": object{"schema": body}}}
		}
		paths[op.path] = object{strings.ToLower(op.method): described}
	}
	return object{
		"openapi": "3.0.3",
		"info": object{
			"title":       "vigil test-broker",
			"version":     "1",
			"description": "Faults of a broker, for tests of its clients in any language.",
		},
		"paths": paths,
		"components": object{"schemas": object{"Failure": object{
			"type":     "object",
			"required": []string{"error"},
			"properties": object{
				"error":    object{"type": "string"},
				"timeline": object{"type": "string", "description": "what the broker saw from each client, and when"},
			},
		}}},
	}
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func content(op operation) object {
	if op.text {
		return object{"text/plain": object{"schema": object{"type": "string"}}}
	}
	return object{"application/json": object{"schema": object{"type": "object"}, "example": op.result}}
}

func schema(key string) object {
	f := fields[key]
	s := object{"type": f.kind, "description": f.about, "example": f.example}
	if f.kind == "array" {
		s["items"] = object{"type": "integer"}
	}
	return s
}

func TestOpenAPIFileIsTheTable(t *testing.T) {
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(describe()); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(openapi, want.Bytes()) {
		t.Error("openapi.json is not what the operations say: go test ./internal/control -update")
	}
}

// caller calls a control.
type caller struct {
	t   *testing.T
	url string
}

func newCaller(t *testing.T) *caller {
	t.Helper()
	f, err := front.Start(front.Config{Start: func(addr net.Addr) (front.Backend, error) { return embedded.Start(broker.Config{}, addr) }})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(New(f, ""))
	t.Cleanup(func() {
		server.Close()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return &caller{t, server.URL}
}

// call makes a request and returns status and body.
func (c *caller) call(method, path, body string, header http.Header) (int, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	if host := header.Get("Host"); host != "" {
		r.Host = host
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, text.String()
}

// post wants an operation to succeed, and decodes what it answers.
func (c *caller) post(path, body string) (result object) {
	c.t.Helper()
	status, text := c.call(http.MethodPost, path, body, nil)
	if status != http.StatusOK {
		c.t.Fatalf("%s %s: %d %s", path, body, status, text)
	}
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		c.t.Fatalf("%s: %q: %v", path, text, err)
	}
	return result
}

func (c *caller) get(path string) string {
	c.t.Helper()
	status, text := c.call(http.MethodGet, path, "", nil)
	if status != http.StatusOK {
		c.t.Fatalf("%s: %d %s", path, status, text)
	}
	return text
}

// The story of the incident, over HTTP.
func TestIncident(t *testing.T) {
	c := newCaller(t)
	var broker brokerResult
	if err := json.Unmarshal([]byte(c.get("/v1/broker")), &broker); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(broker.URL, nats.Name("orders"), nats.PingInterval(500*time.Millisecond), nats.MaxPingsOutstanding(2),
		nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0), nats.MaxReconnects(-1), nats.Timeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	got := make(chan *nats.Msg, 8)
	if _, err := nc.ChanSubscribe("orders.>", got); err != nil {
		t.Fatal(err)
	}
	c.post("/v1/await/subscribers", `{"subject": "orders.>", "count": 1, "client": "orders"}`)
	if r := c.post("/v1/await/connect", `{"client": "orders"}`); r["client"] != "orders" || r["connection"] == 0.0 {
		t.Errorf("connected is %v", r)
	}
	c.post("/v1/crash", "")
	c.post("/v1/await/stale", `{"client": "orders", "within": "10s"}`)
	c.post("/v1/restart", "")
	r := c.post("/v1/await/reconnect", `{"within": "20s"}`)
	if noticed := r["noticed_seconds"].(float64); noticed <= 0 || r["back_seconds"].(float64) < noticed {
		t.Errorf("reconnected: %v", r)
	}
	if r := c.post("/v1/publish", `{"subject": "orders.1", "data": "hello"}`); r["id"] != 1.0 {
		t.Errorf("published: %v", r)
	}
	if m := <-got; string(m.Data) != "hello" {
		t.Errorf("got %q", m.Data)
	}
	c.post("/v1/await/idle", `{"quiet": "20ms"}`)
	c.post("/v1/assert/delivered", `{"subject": "orders.>", "ids": [1]}`)
	if text := c.get("/v1/missed?subject=orders.%3E"); text != "{\"ids\":[]}\n" {
		t.Errorf("missed: %s", text)
	}
	for path, want := range map[string]string{"/v1/timeline": "Crash: vanished", "/v1/transcript?client=orders": "SUB orders.> 1", "/openapi.json": `"openapi": "3.0.3"`} {
		if text := c.get(path); !strings.Contains(text, want) {
			t.Errorf("%s lacks %q:\n%s", path, want, text)
		}
	}
}

// Every fault and its end can be asked for, of the broker and of one client.
func TestFaults(t *testing.T) {
	c := newCaller(t)
	for _, body := range []string{"", `{"client": "a"}`} {
		join := func(extra string) string {
			return strings.NewReplacer(`}{`, `, `).Replace(strings.TrimPrefix(body+extra, "{}"))
		}
		c.post("/v1/black-hole", join(`{"direction": "to_broker"}`))
		c.post("/v1/black-hole", body)
		c.post("/v1/latency", join(`{"delay": "5ms"}`))
		c.post("/v1/bandwidth", join(`{"bytes_per_second": 1000}`))
		c.post("/v1/slow-reader", join(`{"bytes_per_second": 1000}`))
		c.post("/v1/heal", body)
		c.post("/v1/freeze", body)
		c.post("/v1/thaw", body)
	}
	for _, path := range []string{"/v1/refuse-connects", "/v1/accept-and-say-nothing", "/v1/heal", "/v1/reset", "/v1/kill", "/v1/restart", "/v1/lame-duck", "/v1/restart"} {
		c.post(path, "{}")
	}
	c.post("/v1/cut-at", `{"bytes": 0}`)
}

func TestWrongRequests(t *testing.T) {
	c := newCaller(t)
	for _, tc := range []struct {
		method, path, body string
		header             http.Header
		status             int
		text               string
	}{
		{"POST", "/v1/latency", `{"delay": 5}`, nil, 400, "cannot unmarshal number"},
		{"POST", "/v1/latency", `{"delay": "soon"}`, nil, 400, `duration \"soon\": want one such as`},
		{"POST", "/v1/latency", `{"delay": "11m"}`, nil, 400, "10m0s at most"},
		{"POST", "/v1/latency", `{}`, nil, 400, `the key \"delay\" is missing`},
		{"POST", "/v1/black-hole", `{"direction": "up"}`, nil, 400, "want to_broker, from_broker or both"},
		{"POST", "/v1/crash", `{"clients": "a"}`, nil, 400, `unknown key \"clients\": want client, connection`},
		{"POST", "/v1/restart", `{"client": "a"}`, nil, 400, `unknown key \"client\": want none`},
		{"POST", "/v1/cut-at", `{"bytes": -1}`, nil, 400, "negative"},
		{"POST", "/v1/crash", `[`, nil, 400, "want a JSON object"},
		{"POST", "/v1/publish", `{"subject": "` + strings.Repeat("x", maxBody) + `"}`, nil, 400, "too large"},
		{"POST", "/v1/publish", `{"subject": "a.*"}`, nil, 409, "wildcard"},
		{"POST", "/v1/crash", `{"client": "nobody"}`, nil, 409, "no such client is connected"},
		{"POST", "/v1/await/connect", `{"within": "1ms"}`, nil, 409, `"timeline":"what the broker saw`},
		{"POST", "/v1/assert/delivered", `{"subject": "a", "ids": [7]}`, nil, 409, "never published 7"},
		{"GET", "/v1/ca", "", nil, 409, "--tls"},
		{"GET", "/v1/missed", "", nil, 400, `the key \"subject\" is missing`},
		{"GET", "/v1/crash", "", nil, 405, ""},
		{"POST", "/v1/nothing", "", nil, 404, ""},
		{"POST", "/v1/crash", "", http.Header{"Origin": {"http://example.com"}}, 403, "web pages"},
		{"POST", "/v1/crash", "", http.Header{"Host": {"example.com"}}, 403, "localhost"},
	} {
		status, text := c.call(tc.method, tc.path, tc.body, tc.header)
		if status != tc.status || !strings.Contains(text, tc.text) {
			t.Errorf("%s %s %.40s: %d %s; want %d with %q", tc.method, tc.path, tc.body, status, text, tc.status, tc.text)
		}
	}
}

// Whatever a body says, it is answered, and never panics.
func FuzzRequest(f *testing.F) {
	f.Add(`{"client":"a","connection":1,"direction":"both","delay":"1s","ids":[1]}`)
	f.Add(`{"within": "` + fmt.Sprint(maxSpan) + `", "bytes": 1e3}`)
	f.Fuzz(func(t *testing.T, body string) {
		for i := range operations {
			op := &operations[i]
			r := httptest.NewRequest(op.method, op.path, strings.NewReader(body))
			asked, err := op.read(httptest.NewRecorder(), r)
			if err == nil && (asked.Bytes < 0 || asked.Within < 0 || time.Duration(asked.Within) > maxSpan) {
				t.Errorf("%q was taken as %+v", body, asked)
			}
		}
	})
}
