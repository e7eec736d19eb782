package brokertest_test

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vigil/broker/brokertest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// recorder is a test that may fail without failing this one.
type recorder struct {
	testing.TB
	cleanups []func()
	text     strings.Builder
	failed   bool
}

func (r *recorder) Helper()          {}
func (r *recorder) Failed() bool     { return r.failed }
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Logf(format string, args ...any) {
	fmt.Fprintf(&r.text, format+"\n", args...)
}
func (r *recorder) Errorf(format string, args ...any) {
	r.failed = true
	r.Logf(format, args...)
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// run runs f as a test and its cleanups behind it.
func (r *recorder) run(f func(t testing.TB)) {
	done := make(chan struct{})
	go func() { // ends with f, and is waited for
		defer close(done)
		defer func() {
			for _, f := range r.cleanups {
				f()
			}
		}()
		f(r)
	}()
	<-done
}

// scripted is a client in memory that says what it is told to.
func scripted(t *testing.T, b *brokertest.Broker, name string) *rawClient {
	t.Helper()
	conn, err := b.InProcessConn()
	if err != nil {
		t.Fatal(err)
	}
	c := &rawClient{t: t, conn: conn, in: bufio.NewReader(conn)}
	t.Cleanup(func() { conn.Close() })
	c.wantPrefix("INFO {")
	synctest.Wait()
	c.say(fmt.Sprintf("CONNECT {\"name\":%q,\"lang\":\"go\",\"version\":\"1.0\",\"pass\":\"x\",\"headers\":true,\"pedantic\":false,\"verbose\":false}\r\nPING\r\n", name))
	c.want("PONG\r\n")
	synctest.Wait()
	return c
}

// subscribe subscribes and waits until that is in effect.
func (c *rawClient) subscribe(subject string) {
	c.say("SUB " + subject + " 1\r\n")
	synctest.Wait()
}

// What a test is told that fails, and that it fails.
func TestFailures(t *testing.T) {
	for name, script := range map[string]func(t *testing.T, b *brokertest.Broker, r testing.TB){
		"await_connect": func(t *testing.T, b *brokertest.Broker, r testing.TB) {
			scripted(t, b, "other")
			b.AwaitConnect(r, brokertest.By("app"), brokertest.Within(time.Second))
		},
		"await_subscribers": func(t *testing.T, b *brokertest.Broker, r testing.TB) {
			c := scripted(t, b, "app")
			c.subscribe("orders.new")
			time.Sleep(300 * time.Millisecond)
			c.say("PING\r\n")
			b.AwaitSubscribers(r, "orders.>", 1, brokertest.Within(time.Second))
		},
		"await_reconnect": func(t *testing.T, b *brokertest.Broker, r testing.TB) {
			c := scripted(t, b, "app")
			c.subscribe("orders.>")
			time.Sleep(time.Second)
			b.Crash(r)
			time.Sleep(1500 * time.Millisecond)
			c.conn.Close()
			synctest.Wait()
			b.Restart(r)
			scripted(t, b, "app") // and forgets to subscribe
			b.AwaitReconnect(r, brokertest.Within(time.Second))
		},
		"await_reconnect_without_a_fault": func(t *testing.T, b *brokertest.Broker, r testing.TB) {
			scripted(t, b, "app")
			b.AwaitReconnect(r, brokertest.Within(time.Second))
		},
		"await_stale": func(t *testing.T, b *brokertest.Broker, r testing.TB) {
			c := scripted(t, b, "app")
			b.BlackHole(r, brokertest.Both)
			c.say("PING\r\n")
			b.AwaitStale(r, brokertest.Within(5*time.Second))
		},
		"await_idle": func(t *testing.T, b *brokertest.Broker, r testing.TB) {
			c := scripted(t, b, "app")
			var busy sync.WaitGroup
			defer busy.Wait()
			busy.Go(func() {
				for range 5 {
					time.Sleep(200 * time.Millisecond)
					c.say("PUB busy 1\r\nx\r\n")
				}
			})
			time.Sleep(100 * time.Millisecond)
			b.AwaitIdle(r, 500*time.Millisecond, brokertest.Within(time.Second))
		},
		"assert_delivered": func(t *testing.T, b *brokertest.Broker, r testing.TB) {
			c := scripted(t, b, "app")
			c.subscribe("orders.>")
			for range 9 {
				b.Publish(r, "orders.1", []byte("x"))
			}
			b.Publish(r, "other", []byte("x"))
			c.wantPrefix("MSG")
			synctest.Wait()
			b.AssertDelivered(r, "orders.>", []int{1, 2, 6, 6, 10, 9})
		},
		"publish_while_down": func(t *testing.T, b *brokertest.Broker, r testing.TB) {
			b.Kill(r)
			b.Publish(r, "orders.1", nil)
		},
		"publish_to_a_bad_subject": func(t *testing.T, b *brokertest.Broker, r testing.TB) {
			b.Publish(r, "orders.*", nil)
		},
		"fault_of_nobody": func(t *testing.T, b *brokertest.Broker, r testing.TB) {
			scripted(t, b, "app")
			b.Client("ap").Reset(r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := brokertest.Start(t)
				r := &recorder{TB: t}
				// Less than the 2 s after which the broker sends its first PING.
				r.run(func(r testing.TB) { script(t, b, r) })
				if !r.failed {
					t.Error("it did not fail")
				}
				golden(t, name, r.text.String())
			})
		})
	}
}

// A test that has failed, for whatever reason, is told what passed.
func TestFailedTestIsToldWhatPassed(t *testing.T) {
	r := &recorder{TB: t}
	r.run(func(r testing.TB) {
		b := brokertest.Start(r)
		conn, err := b.InProcessConn()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		c := &rawClient{t: t, conn: conn, in: bufio.NewReader(conn)}
		c.greet("app")
		b.AwaitSubscribers(t, "orders.>", 1)
		r.Errorf("the test fails")
	})
	text := regexp.MustCompile(`INFO \{.*|\d+\.\d\d\ds|//\S+`).ReplaceAllString(r.text.String(), "…")
	golden(t, "failed_test", text)
}

// golden compares text with a file.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("the text is\n%s\nwant\n%s", text, want)
	}
}
