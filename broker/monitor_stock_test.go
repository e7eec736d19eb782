package broker_test

import (
	"fmt"
	"io"
	"maps"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"

	stock "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"vigil/broker"
)

// The same clients do the same with Vigil and with nats-server; the monitors of
// both must agree in what does not depend on time, addresses and ids.
func TestMonitorAgreesWithStockServer(t *testing.T) {
	b, ours := startMonitored(t, broker.Config{MaxPayload: 1000, MaxSubscriptions: 50})
	srv, err := stock.NewServer(&stock.Options{
		Host: "127.0.0.1", Port: stock.RANDOM_PORT, HTTPHost: "127.0.0.1", HTTPPort: stock.RANDOM_PORT,
		NoLog: true, NoSigs: true, NoSystemAccount: true, MaxPayload: 1000, MaxSubs: 50,
	})
	check(t, err)
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(patience) {
		t.Fatal("nats-server does not start")
	}
	theirs := monitored{t, fmt.Sprintf("http://%v", srv.MonitorAddr())}

	got := observe(t, b.ClientURL(), b.Addr().String(), ours)
	want := observe(t, srv.ClientURL(), srv.Addr().String(), theirs)
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !reflect.DeepEqual(got[key], want[key]) {
			t.Errorf("%s:\nVigil       %+v\nnats-server %+v", key, got[key], want[key])
		}
	}
	if len(got) != len(want) {
		t.Errorf("Vigil tells %d things, nats-server %d", len(got), len(want))
	}
}

// observe lets clients act and returns what the monitor then tells.
func observe(t *testing.T, url, addr string, m monitored) map[string]any {
	t.Helper()
	seen := make(map[string]any)
	connect := func(name string, options ...nats.Option) *nats.Conn {
		nc, err := nats.Connect(url, append(options, nats.Name(name))...)
		check(t, err)
		t.Cleanup(nc.Close)
		return nc
	}
	act(t, connect)
	offend(t, addr)
	eventually(t, "offenders gone", func() bool { return m.connz("state=closed").Total == len(offences)+1 })
	seenVarz(seen, m)
	seenConnz(seen, m)
	for _, query := range []string{"", "subs=1", "subs=1&test=a.b", "subs=1&test=nobody", "subs=1&limit=2&offset=1", "subs=1&acc=NONE"} {
		s := m.subsz(query)
		seen["subsz "+query] = fmt.Sprint(s.NumSubs, s.NumInserts, s.NumRemoves, s.Total, s.Offset, s.Limit, len(s.Subs))
		if s.Limit == 2 {
			continue // which two is open
		}
		var list []string
		for _, d := range s.Subs {
			list = append(list, fmt.Sprint(d.Account, withoutInbox(d.Subject), d.Queue, d.Sid, d.Msgs, d.Max))
		}
		slices.Sort(list)
		seen["subsz list "+query] = list
	}
	for _, path := range []string{
		"/connz?limit=x", "/connz?state=x", "/connz?sort=x", "/connz?sort=stop", "/connz?subs=x", "/connz?cid=-1",
		"/subsz?test=*", "/subsz?offset=1.5", "/healthz", "/healthz?js-enabled-only=1", "/healthz?js-server-only=x", "/nothing",
	} {
		answer, body := m.get(path)
		seen[path] = fmt.Sprint(answer.StatusCode, answer.Header.Get("Content-Type"), strings.Join(strings.Fields(string(body)), " "))
		if path == "/healthz" || strings.Contains(path, "enabled") {
			seen[path] = fmt.Sprint(answer.StatusCode, answer.Header.Get("Content-Type"))
		}
	}
	return seen
}

// act is what well-behaved clients do.
func act(t *testing.T, connect func(string, ...nats.Option) *nats.Conn) {
	t.Helper()
	pub, sub, quiet := connect("pub", nats.Token("secret")), connect("sub"), connect("quiet", nats.NoEcho(), nats.UserInfo("bob", "secret"))
	subscribe := func(nc *nats.Conn, subject, queue string) *nats.Subscription {
		s, err := nc.QueueSubscribeSync(subject, queue)
		check(t, err)
		return s
	}
	all := subscribe(sub, "a.*", "")
	subscribe(sub, "a.>", "")
	subscribe(sub, "w", "group")
	few := subscribe(sub, "a.b", "")
	check(t, few.AutoUnsubscribe(3))
	late := subscribe(sub, "a.c", "")
	check(t, late.AutoUnsubscribe(100))
	check(t, subscribe(sub, "gone", "").Unsubscribe())
	subscribe(quiet, "mine", "")
	check(t, sub.Flush())
	check(t, quiet.Flush())
	for i := range 20 {
		check(t, pub.Publish("a.b", make([]byte, i)))
		check(t, pub.Publish("a.c", nil))
		check(t, pub.Publish("w", []byte("work")))
		check(t, quiet.Publish("mine", []byte("for nobody")))
	}
	msg := nats.NewMsg("a.h")
	msg.Header.Set("K", "v")
	msg.Data = []byte("with a header")
	check(t, pub.PublishMsg(msg))
	_, err := pub.Request("nobody", nil, patience)
	if err == nil {
		t.Error("somebody answers")
	}
	check(t, pub.Flush())
	check(t, quiet.Flush())
	for range 41 {
		_, err := all.NextMsg(patience)
		check(t, err)
	}
	check(t, sub.Flush())
	short := connect("short")
	subscribe(short, "x.y", "")
	check(t, short.Flush())
	short.Close()
}

// offences are what ends a connection.
var offences = map[string]string{
	"unknown operation": "ZZZ\r\n",
	"payload":           "PUB a 1001\r\n",
	"control line":      "PUB " + strings.Repeat("a", 5000) + " 1\r\n",
	"protocol version":  `CONNECT {"protocol":2}` + "\r\n",
	"no headers":        `CONNECT {"no_responders":true,"headers":false}` + "\r\n",
	"account":           `CONNECT {"account":"X"}` + "\r\n",
	"an error":          "-ERR 'x'\r\n",
	"arguments":         "SUB\r\n",
	"silent end":        "",
}

// offend lets a client commit each offence, named after it, and go.
func offend(t *testing.T, addr string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(offences)) {
		conn, err := net.Dial("tcp", addr)
		check(t, err)
		hello := fmt.Sprintf("CONNECT {\"verbose\":false,\"name\":%q,\"lang\":\"raw\",\"version\":\"1\",\"user\":\"eve\"}\r\nPING\r\n", name)
		if !strings.HasPrefix(offences[name], "CONNECT") { // nats-server forgets the subscriptions before it refuses
			hello = strings.Replace(hello, "PING", "SUB mine 1\r\nPING", 1)
		}
		_, err = io.WriteString(conn, hello)
		check(t, err)
		for pong, buf := "", make([]byte, 4096); !strings.Contains(pong, "PONG\r\n"); {
			n, err := conn.Read(buf)
			check(t, err)
			pong += string(buf[:n])
		}
		if offence := offences[name]; offence == "" {
			check(t, conn.(*net.TCPConn).CloseWrite())
		} else {
			_, err = io.WriteString(conn, offence)
			check(t, err)
		}
		_, _ = io.Copy(io.Discard, conn)
		conn.Close()
	}
}

// withoutInbox removes what is random.
func withoutInbox(subject string) string {
	if strings.HasPrefix(subject, nats.InboxPrefix) {
		return nats.InboxPrefix
	}
	return subject
}

func seenVarz(seen map[string]any, m monitored) {
	v := m.varz()
	seen["varz"] = fmt.Sprint(v.Proto, v.Version, v.MaxConn, v.MaxSubs, v.MaxPingsOut, v.MaxControlLine, v.MaxPayload, v.MaxPending,
		v.WriteDeadline, v.Host, v.HTTPHost, v.Cores, v.MaxProcs, v.HTTPBasePath, v.HTTPSPort)
	seen["varz connections"] = fmt.Sprint(v.Connections, v.TotalConnections, v.Routes, v.Remotes, v.Leafs, v.Subscriptions)
	seen["varz in"] = fmt.Sprint(v.InMsgs, v.InBytes, v.InClientMsgs, v.InClientBytes)
	seen["varz out"] = fmt.Sprint(v.OutMsgs, v.OutBytes, v.OutClientMsgs, v.OutClientBytes)
	seen["varz trouble"] = fmt.Sprint(v.SlowConsumers, v.StaleConnections, *v.SlowConsumersStats, *v.StaleConnectionStats)
}

func seenConnz(seen map[string]any, m monitored) {
	for _, query := range []string{
		"", "limit=2", "offset=1", "offset=99", "limit=-1", "state=closed", "state=all", "state=any&limit=1", "cid=999999", "acc=$G", "acc=NONE",
		"user=bob", "user=bob&state=all", "user=eve", "user=eve&state=closed", "user=eve&state=all&limit=2", "user=%5BREDACTED%5D",
		"user=nobody", "user=nobody&state=closed", "user=nobody&state=all", "user=bob&cid=1", "user=nobody&cid=1",
		"mqtt_client=x", "mqtt_client=x&state=all", "mqtt_client=x&user=bob",
	} {
		c := m.connz(query)
		seen["connz "+query] = fmt.Sprint(c.NumConns, c.Total, c.Offset, c.Limit, len(c.Conns))
	}
	for _, sort := range []string{"cid", "start", "subs", "msgs_to", "msgs_from", "bytes_to", "bytes_from", "uptime"} {
		var names []string
		for _, i := range m.connz("limit=1&sort=" + sort).Conns {
			names = append(names, i.Name)
		}
		seen["connz by "+sort] = names
	}
	for _, i := range m.connz("state=all&subs=1").Conns {
		for j, s := range i.Subs {
			i.Subs[j] = withoutInbox(s)
		}
		slices.Sort(i.Subs)
		if i.Stop != nil {
			i.Pending = 0 // nats-server tells how much of its -ERR was not written yet
		}
		seen["connection "+i.Name] = fmt.Sprint(i.Kind, i.Type, i.IP, i.Stop != nil, i.Reason, i.Pending, i.InMsgs, i.OutMsgs, i.InBytes, i.OutBytes,
			i.NumSubs, i.Lang, i.Version, i.Subs, i.AuthorizedUser, i.Account)
	}
}
