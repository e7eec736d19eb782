package broker_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"vigil/broker"
)

// monitored is a broker's monitoring port.
type monitored struct {
	t    *testing.T
	base string
}

func startMonitored(t *testing.T, cfg broker.Config) (*broker.Broker, monitored) {
	t.Helper()
	cfg.MonitorPort = broker.RandomPort
	b := start(t, cfg)
	return b, monitored{t, "http://" + b.MonitorAddr().String()}
}

// get returns the answer to a GET. Each has a connection of its own, so that
// none is left at the end.
func (m monitored) get(path string) (*http.Response, []byte) { return m.ask(http.MethodGet, path) }

func (m monitored) ask(method, path string) (*http.Response, []byte) {
	m.t.Helper()
	request, err := http.NewRequestWithContext(m.t.Context(), method, m.base+path, nil)
	check(m.t, err)
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	check(m.t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	check(m.t, err)
	return answer, body
}

// into decodes an answer, which may have no field that the type has not.
func (m monitored) into(path string, v any) {
	m.t.Helper()
	answer, body := m.get(path)
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/json" ||
		answer.Header.Get("Access-Control-Allow-Origin") != "*" {
		m.t.Errorf("%s: status %d, header %v", path, answer.StatusCode, answer.Header)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		m.t.Errorf("%s: %v in %s", path, err, body)
	}
}

func (m monitored) connz(query string) (c server.Connz) {
	m.t.Helper()
	m.into("/connz?"+query, &c)
	return c
}

func (m monitored) varz() (v server.Varz) {
	m.t.Helper()
	m.into("/varz", &v)
	return v
}

func (m monitored) subsz(query string) (s server.Subsz) {
	m.t.Helper()
	s.SublistStats = new(server.SublistStats)
	m.into("/subsz?"+query, &s)
	return s
}

// eventually waits until a condition on the monitor holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for until := time.Now().Add(patience); !holds(); {
		if time.Now().After(until) {
			t.Fatalf("not seen: %s", what)
		}
	}
}

func TestMonitorAnswers(t *testing.T) {
	_, m := startMonitored(t, broker.Config{})
	for _, c := range []struct {
		method, path string
		status       int
		kind, want   string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", "./connz"},
		{"HEAD", "/", 200, "text/html; charset=utf-8", ""},
		{"HEAD", "/varz", 200, "application/json", ""},
		{"GET", "/healthz", 200, "application/json", `"status": "ok"`},
		{"GET", "/healthz?js-enabled-only=true&js-server-only=1", 200, "application/json", `"status": "ok"`},
		{"GET", "/healthz?js-enabled-only=yes", 400, "text/plain; charset=utf-8", "Error decoding boolean for 'js-enabled-only'"},
		{"GET", "/subscriptionsz", 200, "application/json", "num_subscriptions"},
		{"POST", "/varz", 405, "text/plain; charset=utf-8", ""},
		{"DELETE", "/", 405, "text/plain; charset=utf-8", ""},
		{"GET", "/varz/more", 404, "text/plain; charset=utf-8", ""},
		{"GET", "/jsz", 404, "text/plain; charset=utf-8", ""},
		{"GET", "/debug/pprof/", 404, "text/plain; charset=utf-8", ""},
		{"GET", "/debug/vars", 404, "text/plain; charset=utf-8", ""},
		{"GET", "/stacksz", 404, "text/plain; charset=utf-8", ""},
		{"GET", "/connz?limit=x", 400, "text/plain; charset=utf-8", "Error decoding int for 'limit'"},
		{"GET", "/connz?offset=9223372036854775808", 400, "text/plain; charset=utf-8", "Error decoding int for 'offset'"},
		{"GET", "/connz?cid=-1", 400, "text/plain; charset=utf-8", "Error decoding uint64 for 'cid'"},
		{"GET", "/connz?subs=2", 400, "text/plain; charset=utf-8", "Error decoding boolean for 'subs'"},
		{"GET", "/connz?auth=2", 400, "text/plain; charset=utf-8", "Error decoding boolean for 'auth'"},
		{"GET", "/connz?state=half", 400, "text/plain; charset=utf-8", "Error decoding state for half"},
		{"GET", "/connz?sort=size", 400, "text/plain; charset=utf-8", "invalid sorting option: size"},
		{"GET", "/connz?sort=stop", 400, "text/plain; charset=utf-8", "sort by stop only valid on closed connections"},
		{"GET", "/connz?sort=reason&state=all", 400, "text/plain; charset=utf-8", "sort by reason only valid on closed connections"},
		{"GET", "/connz?%zz", 400, "text/plain; charset=utf-8", ""},
		{"GET", "/subsz?test=a.*", 400, "text/plain; charset=utf-8", "invalid test subject, must be valid publish subject: a.*"},
		{"GET", "/subsz?subs=x", 400, "text/plain; charset=utf-8", "Error decoding boolean for 'subs'"},
	} {
		answer, body := m.ask(c.method, c.path)
		if answer.StatusCode != c.status || answer.Header.Get("Content-Type") != c.kind || !strings.Contains(string(body), c.want) {
			t.Errorf("%s %s: %d, %s, %s", c.method, c.path, answer.StatusCode, answer.Header.Get("Content-Type"), body)
		}
	}
	var (
		r server.Routez
		g server.Gatewayz
		l server.Leafz
	)
	m.into("/routez", &r)
	m.into("/gatewayz", &g)
	m.into("/leafz", &l)
	if r.Routes == nil || l.Leafs == nil || g.InboundGateways == nil || g.OutboundGateways == nil || r.ID == "" || g.ID == "" || l.ID == "" {
		t.Errorf("%+v, %+v, %+v", r, g, l)
	}
}

// No number in a query leads out of bounds.
func TestMonitorNumbers(t *testing.T) {
	b, m := startMonitored(t, broker.Config{})
	nc := dialNATS(t, b)
	_, err := nc.SubscribeSync("a")
	check(t, err)
	check(t, nc.Flush())
	const largest, smallest = "9223372036854775807", "-9223372036854775808"
	for _, path := range []string{"connz", "subsz"} {
		for _, offset := range []string{"", "0", "1", "2", "-1", largest, smallest} {
			for _, limit := range []string{"", "0", "1", "-1", largest, smallest} {
				answer, body := m.get(fmt.Sprintf("/%s?subs=1&offset=%s&limit=%s", path, offset, limit))
				one := offset == "" || offset == "0" || strings.HasPrefix(offset, "-")
				if has := strings.Contains(string(body), `"a"`); answer.StatusCode != 200 || has != one {
					t.Errorf("%s, offset %s, limit %s: %d, %s", path, offset, limit, answer.StatusCode, body)
				}
			}
		}
	}
	if c := m.connz("limit=" + largest); c.Limit != 1<<16 {
		t.Errorf("limit %d", c.Limit)
	}
}

func TestVarz(t *testing.T) {
	b, m := startMonitored(t, broker.Config{Name: "mine", ConnectURLs: []string{"a:1"}, MaxSubscriptions: 7})
	pub, sub := dialNATS(t, b), dialNATS(t, b)
	s, err := sub.SubscribeSync("a.*")
	check(t, err)
	check(t, sub.Flush())
	for range 10 {
		check(t, pub.Publish("a.b", []byte("hello")))
	}
	for range 10 {
		_, err := s.NextMsg(patience)
		check(t, err)
	}
	check(t, pub.Flush())
	v := m.varz()
	if v.ID != b.ID() || v.Name != "mine" || v.Version != broker.Version || v.Port != b.Addr().(*net.TCPAddr).Port || v.Host != "127.0.0.1" ||
		v.HTTPPort != b.MonitorAddr().Port || v.HTTPHost != "127.0.0.1" || v.Proto != 1 {
		t.Errorf("identity: %+v", v)
	}
	if v.Connections != 2 || v.TotalConnections != 2 || v.Subscriptions != 1 || v.InMsgs != 10 || v.OutMsgs != 10 || v.InBytes != 50 || v.OutBytes != 50 ||
		v.InClientMsgs != 10 || v.OutClientBytes != 50 || v.SlowConsumers != 0 || v.SlowConsumersStats == nil || v.StaleConnectionStats == nil {
		t.Errorf("counters: %+v", v)
	}
	if v.MaxPayload != 1<<20 || v.MaxConn != 1<<16 || v.MaxSubs != 7 || v.MaxPending != 64<<20 || v.MaxControlLine != 4096 ||
		v.PingInterval != 10*time.Second || v.MaxPingsOut != 2 || v.WriteDeadline != 10*time.Second {
		t.Errorf("limits: %+v", v)
	}
	if v.Mem < 1<<20 || v.Cores < 1 || v.MaxProcs < 1 || v.Uptime == "" || time.Since(v.Start) > time.Minute || time.Since(v.Now) > time.Minute {
		t.Errorf("process: %+v", v)
	}
	pub.Close()
	sub.Close()
	eventually(t, "clients gone", func() bool { return m.varz().Connections == 0 })
	v = m.varz()
	if v.InMsgs != 10 || v.OutBytes != 50 || v.TotalConnections != 2 || v.Subscriptions != 0 || v.HTTPReqStats["/varz"] < 3 {
		t.Errorf("afterwards: %+v", v)
	}
}

// connzQueries are answered by the names of connections, see TestConnz.
var connzQueries = map[string]string{
	"":                       "c0 c1 c2 c3 c4",
	"sort=subs":              "c4 c3 c2 c1 c0",
	"sort=subs&limit=2":      "c4 c3",
	"sort=cid&offset=3":      "c3 c4",
	"offset=1&limit=2":       "c1 c2",
	"sort=msgs_to&limit=1":   "c4",
	"sort=bytes_from":        "c2 c1 c0 c3 c4",
	"sort=bytes_to&limit=1":  "c4",
	"sort=msgs_from&limit=3": "c0 c1 c2",
	"sort=uptime":            "c4 c3 c2 c1 c0",
	"sort=last&limit=1":      "c2",
	"sort=idle&offset=4":     "c2",
	"sort=pending":           "c0 c1 c2 c3 c4",
	"acc=$G":                 "c0 c1 c2 c3 c4",
	"acc=OTHER":              "",
	"user=me":                "",
	"cid=3":                  "c2",
	"cid=99":                 "",
	"state=closed":           "",
	"state=ALL&sort=start":   "c0 c1 c2 c3 c4",
}

func TestConnz(t *testing.T) {
	b, m := startMonitored(t, broker.Config{})
	var conns []*nats.Conn
	for i := range 5 {
		nc := dialNATS(t, b, nats.Name(fmt.Sprintf("c%d", i)))
		for j := range i {
			_, err := nc.SubscribeSync(fmt.Sprintf("s.%d.%d", i, j))
			check(t, err)
		}
		check(t, nc.Flush())
		conns = append(conns, nc)
	}
	for i := range 3 {
		check(t, conns[i].Publish("s.4.0", make([]byte, 10*(i+1))))
		check(t, conns[i].Flush())
	}
	names := func(c server.Connz) string {
		var list []string
		for _, i := range c.Conns {
			list = append(list, i.Name)
		}
		return strings.Join(list, " ")
	}
	for query, want := range connzQueries {
		if got := names(m.connz(query)); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	m.connz("sort=rtt")
	c := m.connz("cid=5&subs=1").Conns[0]
	host, _, err := net.SplitHostPort(c.IP + ":1")
	if err != nil || host != "127.0.0.1" || c.Port == 0 || c.Lang != "go" || c.Version != nats.Version || c.Kind != "Client" || c.Type != "nats" ||
		c.NumSubs != 4 || strings.Join(c.Subs, " ") != "s.4.0 s.4.1 s.4.2 s.4.3" || c.OutMsgs != 3 || c.OutBytes != 60 || c.InMsgs != 0 {
		t.Errorf("got %+v", c)
	}
	if rtt, err := time.ParseDuration(c.RTT); err != nil || rtt <= 0 || rtt > time.Minute {
		t.Errorf("RTT %q: %v", c.RTT, err)
	}
	d := m.connz("cid=5&subs=detail").Conns[0].SubsDetail
	if len(d) != 4 || d[0].Subject != "s.4.0" || d[0].Sid != "1" || d[0].Cid != 5 || d[0].Msgs != 3 {
		t.Errorf("detail %+v", d)
	}
	for _, nc := range conns {
		nc.Close()
	}
	eventually(t, "all closed", func() bool { return m.connz("state=closed").Total == 5 })
	last := m.connz("state=closed&sort=subs&subs=1&limit=1").Conns[0]
	if last.Name != "c4" || last.Reason != "Client Closed" || last.Stop == nil || len(last.Subs) != 4 || last.NumSubs != 4 || last.OutBytes != 60 {
		t.Errorf("closed: %+v", last)
	}
	m.connz("state=closed&sort=stop")
	m.connz("state=closed&sort=reason")
}

func TestSubsz(t *testing.T) {
	b, m := startMonitored(t, broker.Config{})
	for range 2 {
		nc := dialNATS(t, b)
		for _, subject := range []string{"a.b", "a.*", "c.>"} {
			_, err := nc.QueueSubscribeSync(subject, "g")
			check(t, err)
			_, err = nc.SubscribeSync(subject)
			check(t, err)
		}
		s, err := nc.SubscribeSync("gone")
		check(t, err)
		check(t, s.Unsubscribe())
		check(t, nc.Flush())
	}
	s := m.subsz("")
	if s.NumSubs != 12 || s.NumInserts != 14 || s.NumRemoves != 2 || s.Total != 0 || s.Subs != nil || s.Limit != 1024 {
		t.Errorf("got %+v, %+v", s, s.SublistStats)
	}
	if s = m.subsz("subs=1"); s.Total != 12 || len(s.Subs) != 12 {
		t.Errorf("got %+v", s)
	}
	seen := make(map[string]bool)
	for offset := 0; offset < 12; offset += 5 {
		for _, d := range m.subsz(fmt.Sprintf("subs=1&limit=5&offset=%d", offset)).Subs {
			seen[fmt.Sprint(d.Cid, " ", d.Sid)] = true
			if d.Account != "$G" || d.Subject == "" {
				t.Errorf("got %+v", d)
			}
		}
	}
	if len(seen) != 12 {
		t.Errorf("pages have %d of 12", len(seen))
	}
	s = m.subsz("subs=1&test=a.b&limit=3")
	if s.Total != 8 || len(s.Subs) != 3 {
		t.Errorf("test: %+v", s)
	}
	if s = m.subsz("subs=1&acc=OTHER"); s.Total != 0 {
		t.Errorf("other account: %+v", s)
	}
}

func TestMonitorPortTaken(t *testing.T) {
	b, _ := startMonitored(t, broker.Config{})
	taken := b.MonitorAddr().Port
	_, err := broker.Start(broker.Config{Port: broker.RandomPort, MonitorPort: taken})
	want := fmt.Sprintf("broker: listen for monitoring: listen tcp 127.0.0.1:%d: bind: address already in use; choose another port, or -1 for any free one", taken)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A lame duck is not healthy, and can still be asked.
func TestMonitorLameDuck(t *testing.T) {
	b, m := startMonitored(t, broker.Config{})
	nc := dialNATS(t, b)
	ended := onLameDuck(t.Context(), b)
	var status int
	var body []byte
	eventually(t, "unhealthy", func() bool {
		answer, text := m.get("/healthz")
		status, body = answer.StatusCode, text
		return status != http.StatusOK
	})
	var health server.HealthStatus
	check(t, json.Unmarshal(body, &health))
	if status != http.StatusInternalServerError || health.Status != "error" || health.Error == "" {
		t.Errorf("status %d, %+v", status, health)
	}
	nc.Close()
	check(t, <-ended)
	if _, err := net.Dial("tcp", b.MonitorAddr().String()); err == nil {
		t.Error("the monitoring port is still open")
	}
}

// Connections to the monitor end with the broker, whatever they are doing, and
// more than are allowed are refused.
func TestMonitorConnections(t *testing.T) {
	b, m := startMonitored(t, broker.Config{})
	var conns []net.Conn
	for i := range 70 {
		conn, err := net.Dial("tcp", b.MonitorAddr().String())
		check(t, err)
		defer conn.Close()
		if i < 64 {
			_, err = io.WriteString(conn, []string{"", "GET /varz HT", "GET /varz HTTP/1.1\r\nHost: x\r\n\r\n"}[i%3])
			check(t, err)
		}
		conns = append(conns, conn)
	}
	for _, conn := range conns[64:] {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("read %d bytes, error %v", n, err)
		}
	}
	for _, conn := range conns[:6] {
		conn.Close()
	}
	eventually(t, "room again", func() bool {
		answer, err := http.Get(m.base + "/healthz")
		if err == nil {
			answer.Body.Close()
		}
		return err == nil
	})
	http.DefaultClient.CloseIdleConnections()
	check(t, b.Shutdown(t.Context()))
}
