package link

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vigil/internal/wire"
)

const plainInfo = `INFO {"server_id":"N","version":"2.15.2","proto":1,"headers":true,"max_payload":1048576} ` + "\r\n"

// TestBadGreetings: whatever listens there, Connect ends in time and says what
// is wrong.
func TestBadGreetings(t *testing.T) {
	silent := func(c *peerConn) { io.Copy(io.Discard, c.nc) }
	says := func(text string) func(*peerConn) {
		return func(c *peerConn) { c.send(text); silent(c) }
	}
	for name, tc := range map[string]struct {
		script func(*peerConn)
		want   string
	}{
		"silent":              {silent, "no answer: connected, but no INFO came within 2.00 s"},
		"INFO, then silent":   {says(plainInfo), "no answer: INFO came, but no PONG within 2.00 s"},
		"INFO without end":    {says("INFO {\"server_id\":\"N\""), "no answer: connected, but no INFO came within 2.00 s"},
		"INFO of 10 MB":       {says("INFO {\"server_id\":\"" + strings.Repeat("N", 10<<20) + "\"}\r\n"), "protocol violation: wire: maximum control line exceeded; is that a NATS broker?"},
		"INFO of bad JSON":    {says("INFO {]\r\n"), "protocol violation: wire: INFO: invalid character ']'"},
		"INFO wants TLS":      {says("INFO {\"tls_required\":true}\r\n"), "no answer: INFO came, but the TLS handshake did not end within 2.00 s"},
		"PING first":          {says("PING\r\n" + plainInfo), "protocol violation: PING before INFO"},
		"-ERR first":          {says("-ERR 'go away'\r\n"), "server error: 'go away'"},
		"SSH":                 {says("SSH-2.0-OpenSSH_9.2p1\r\n"), "protocol violation: wire: unknown protocol operation; is that a NATS broker?"},
		"closes at once":      {func(*peerConn) {}, "closed by peer"},
		"closes after INFO":   {func(c *peerConn) { c.send(plainInfo); c.nc.(interface{ CloseWrite() error }).CloseWrite(); silent(c) }, "closed by peer"},
		"too many":            {func(c *peerConn) { c.send(plainInfo + "-ERR 'maximum connections exceeded'\r\n") }, "server error: 'maximum connections exceeded'"},
		"bad credentials":     {func(c *peerConn) { c.send(plainInfo + "-ERR 'Authorization Violation'\r\n") }, "not authorized: the broker says 'Authorization Violation'; it wants credentials and got none"},
		"MSG that lies":       {says(plainInfo + "MSG a 1 999999999\r\n"), "protocol violation: wire: maximum payload exceeded"},
		"MSG without its end": {says(plainInfo + "MSG a 1 3\r\nabcdef"), "protocol violation: wire: unknown protocol operation"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.peer.script = tc.script
				r.peer.start()
				start := time.Now()
				_, err := Connect(t.Context(), address, r.config(Config{}))
				if want := "link: connect nats://" + address + ": " + tc.want; err == nil || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("after %v: %v\nwant %s", time.Since(start), err, want)
				}
				if d := time.Since(start); d > DefaultAttemptTimeout {
					t.Errorf("Connect took %v", d)
				}
				r.peer.stop()
			})
		})
	}
}

// TestBadStreams: whatever a broker says later, the link survives it, and goes
// on or reconnects.
func TestBadStreams(t *testing.T) {
	for name, tc := range map[string]struct {
		says string
		want string // events
	}{
		"unknown sid":         {"MSG a 99 3\r\nabc\r\nMSG b x 0\r\n\r\n", "connected"},
		"unsolicited PONGs":   {strings.Repeat("PONG\r\n", 1000), "connected"},
		"INFO again":          {plainInfo, "connected"},
		"max_payload -1":      {`INFO {"headers":true,"max_payload":-1}` + "\r\n", "connected"},
		"permission -ERR":     {"-ERR 'Permissions Violation for Subscription to \"a\"'\r\n", "connected, server error"},
		"many connect_urls":   {`INFO {"headers":true,"connect_urls":["` + strings.Repeat(`h:1","`, 50_000) + `h:2"]}` + "\r\n", "connected"},
		"garbage":             {"\x00\x01\x02", "connected, lost, resumed"},
		"INFO of bad JSON":    {"INFO {]\r\n", "connected, lost, resumed"},
		"a client's verb":     {"SUB a 1\r\n", "connected, lost, resumed"},
		"size over the limit": {"MSG a 1 67108865\r\n", "connected, lost, resumed"},
		"bad size":            {"MSG a 1 -1\r\n", "connected, lost, resumed"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(r *rig) {
				r.peer.conn(0).send(tc.says)
				time.Sleep(time.Second)
				r.wantKinds(name, tc.want)
				r.publish("still works")
				r.flush()
				r.link.mu.Lock()
				defer r.link.mu.Unlock()
				if n := r.link.pool.len(); n > maxServers {
					t.Errorf("%d servers", n)
				}
			})
		})
	}
}

func TestErrorStormIsBounded(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.peer.conn(0).send(strings.Repeat("-ERR 'Invalid Subject'\r\n", 10_000))
		r.peer.conn(0).nc.Close()
		time.Sleep(time.Second)
		errs := 0
		for _, e := range r.all() {
			if e.Kind == EventServerError {
				errs++
			}
		}
		if s := r.link.Stats(); errs != maxErrorEvents || s.ServerErrors != 10_000 {
			t.Errorf("%d events, %d counted", errs, s.ServerErrors)
		}
		if l := r.last(EventLost).Loss; l.Cause != CauseClosed {
			t.Errorf("an error about one operation became the cause: %v", l)
		}
	})
}

func TestServerErrorIsTheCause(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		r.peer.conn(0).send("-ERR 'Stale Connection'\r\n")
		r.peer.conn(0).nc.Close()
		l := r.last(EventLost).Loss
		if l.Cause != CauseServerError || l.Error() != "server error: 'Stale Connection'" || !errors.Is(l, io.EOF) {
			t.Errorf("loss %v", l)
		}
		time.Sleep(time.Second)
	})
}

// A broker that resets every connection right after its greeting is left in
// peace: the waits grow although every attempt succeeds.
func TestShortLivedConnectionsDoNotSpin(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := 0; i < r.peer.count() || time.Since(r.link.base) < time.Minute; i++ {
				for i >= r.peer.count() {
					time.Sleep(time.Millisecond)
					if time.Since(r.link.base) > time.Minute {
						return
					}
				}
				time.Sleep(2 * time.Millisecond)
				r.peer.conn(i).nc.Close()
			}
		}()
		<-done
		if n := r.peer.count(); n > 120 {
			t.Errorf("%d connections in a minute", n)
		}
	})
}

func TestPingFloodIsAnswered(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		c := r.peer.conn(0)
		c.send(strings.Repeat("PING\r\n", 500))
		synctest.Wait()
		pongs := 0
		for _, op := range c.told() {
			if op == "PONG" {
				pongs++
			}
		}
		if pongs != 500 {
			t.Errorf("%d PONGs for 500 PINGs", pongs)
		}
	})
}

// TestAnyDivision: messages of all sizes arrive whole, however the stream is
// cut.
func TestAnyDivision(t *testing.T) {
	bubble(t, Config{}, func(r *rig) {
		var got []int
		if _, err := r.link.Subscribe("s", "", func(op *wire.Op) { got = append(got, len(op.Payload())) }); err != nil {
			t.Fatal(err)
		}
		sizes := []int{0, 1, 65_000, 65_536, 200_000, 3, 4 << 20, 7}
		var stream []byte
		for _, n := range sizes {
			stream = append(stream, fmt.Sprintf("MSG s 1 %d\r\n", n)...)
			stream = append(stream, make([]byte, n)...)
			stream = append(stream, "\r\n"...)
		}
		c := r.peer.conn(0)
		for i := 0; i < len(stream); {
			n := min(1+(i*7919)%30_011, len(stream)-i)
			c.send(string(stream[i : i+n]))
			i += n
		}
		synctest.Wait()
		if fmt.Sprint(got) != fmt.Sprint(sizes) {
			t.Errorf("got %v, want %v", got, sizes)
		}
	})
}
