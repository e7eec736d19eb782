package broker_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"vigil/broker"
	"vigil/internal/memnet"
	"vigil/internal/wire"
)

// pingAges reads PINGs for so long and returns when each came and the age it
// tells, in milliseconds; -1 for none.
func (c *rawClient) pingAges(d time.Duration) (ages []string) {
	start := time.Now()
	_ = c.conn.SetReadDeadline(start.Add(d))
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return ages
		}
		ages = append(ages, fmt.Sprintf("%d:%s", time.Since(start).Milliseconds(), strings.TrimSpace(line)))
	}
}

func TestSilentClientIsToldThatItIsNotHeard(t *testing.T) {
	bubble(t, broker.Config{PingInterval: time.Minute}, func(t *testing.T, n *memnet.Network) {
		c := dialMem(t, n)
		defer c.conn.Close()
		c.ready(`{"verbose":false,"protocol":1,"mutual_ms":1500}`)
		c.expectInfo("welcome", "{}")
		if _, ok := c.pinged(3 * time.Second); ok {
			t.Error("a PING without an age")
		}
		c.write("PONG\r\n")
		got := strings.Join(c.pingAges(5*time.Second), ",")
		if want := "1500:PING 1500,3000:PING 3000,4500:PING 4500"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		c.write("+OK\r\n") // any byte
		got = strings.Join(c.pingAges(2*time.Second), ",")
		if want := "1500:PING 1500"; got != want {
			t.Errorf("behind a byte: told %s, want %s", got, want)
		}
	})
}

func TestStockClientIsToldNothing(t *testing.T) {
	bubble(t, broker.Config{PingInterval: 10 * time.Second}, func(t *testing.T, n *memnet.Network) {
		c := dialMem(t, n)
		defer c.conn.Close()
		c.ready(quiet)
		for range 2 {
			if _, ok := c.pinged(time.Minute); !ok {
				t.Error("no plain PING")
			}
		}
	})
}

func TestClientThatComesBackIsToldWhenItWasHeard(t *testing.T) {
	bubble(t, broker.Config{PingInterval: time.Minute}, func(t *testing.T, n *memnet.Network) {
		old := dialInfo(t, n)
		defer old.client.conn.Close()
		old.client.ready(quiet)
		time.Sleep(2300 * time.Millisecond)

		for _, tc := range []struct {
			name, was string
			want      int64 // -1 for no word
		}{
			{"known", fmt.Sprintf(`{"server_id":%q,"client_id":%d}`, old.info.ServerID, old.info.ClientID), 2300},
			{"another broker's", fmt.Sprintf(`{"server_id":"N","client_id":%d}`, old.info.ClientID), -1},
			{"unknown", fmt.Sprintf(`{"server_id":%q,"client_id":4711}`, old.info.ServerID), -1},
		} {
			c := dialMem(t, n)
			c.write(`CONNECT {"verbose":false,"protocol":1,"mutual_ms":5000,"was":` + tc.was + "}\r\nPING\r\n")
			line, err := c.line()
			if tc.want >= 0 {
				var info wire.InfoLine
				if json.Unmarshal([]byte(strings.TrimPrefix(line, "INFO ")), &info); info.WasHeard == nil || *info.WasHeard != tc.want {
					t.Errorf("%s: %s (error %v), want %d", tc.name, line, err, tc.want)
				}
				line, err = c.line()
			}
			if line != "PONG" {
				t.Errorf("%s: %q (error %v), want the PONG", tc.name, line, err)
			}
			c.conn.Close()
		}
	})
}

type infoClient struct {
	client *rawClient
	info   wire.InfoLine
}

// dialInfo is dialMem with what INFO says.
func dialInfo(t *testing.T, n *memnet.Network) (c infoClient) {
	t.Helper()
	conn, err := n.DialContext(t.Context(), "tcp", memAddress)
	check(t, err)
	c.client = newRaw(t, conn)
	line, err := c.client.line()
	check(t, err)
	check(t, json.Unmarshal([]byte(strings.TrimPrefix(line, "INFO ")), &c.info))
	if !c.info.Mutual {
		t.Errorf("INFO does not offer mutual hearing: %s", line)
	}
	return c
}

func TestMonitorShowsWhatClientsSayOfUs(t *testing.T) {
	b, m := startMonitored(t, broker.Config{})
	c := dialRaw(t, b.Addr().String())
	defer c.conn.Close()
	c.expectInfo("greeting", "{}")
	c.ready(quiet)
	c.write("PING 1840\r\n")
	c.expect("answer", "PONG")
	_, body := m.get("/connz")
	if want := `"unheard_ms": 1840`; !strings.Contains(string(body), want) {
		t.Errorf("connz says %s, want %s", body, want)
	}
}
