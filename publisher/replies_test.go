package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"vigil/publisher"
	"vigil/subscriber"
)

func TestReplies(t *testing.T) {
	brokers(t, func(t *testing.T, url string) {
		pub := connect(t, url, publisher.Config{})
		const n = 20
		for i := range n {
			responder(t, url, "who", func(m *subscriber.Msg) {
				err := m.Respond(context.Background(), fmt.Append(nil, string(m.Data), i))
				if err != nil && !errors.Is(err, subscriber.ErrClosed) { // the last are not waited for
					t.Error(err)
				}
			})
		}
		ask := &publisher.Msg{Subject: "who", Data: []byte("me")}
		ctx, cancel := context.WithCancel(within(t))
		var got []string
		for m, err := range pub.Replies(ctx, ask) {
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				break
			}
			if got = append(got, string(m.Data)); len(got) == n {
				cancel()
			}
		}
		cancel()
		slices.Sort(got)
		if len(slices.Compact(got)) != n {
			t.Errorf("%d different replies of %d", len(slices.Compact(got)), n)
		}
		for m, err := range pub.Replies(within(t), ask) { // left after the first
			if err != nil || !strings.HasPrefix(string(m.Data), "me") {
				t.Errorf("%v, %v", m, err)
			}
			break
		}
		for m, err := range pub.Replies(within(t), &publisher.Msg{Subject: "nobody"}) {
			if m != nil || !errors.Is(err, publisher.ErrNoResponders) {
				t.Errorf("%v, %v", m, err)
			}
		}
		for _, err := range pub.Replies(within(t), &publisher.Msg{Subject: "a b"}) {
			if !errors.Is(err, publisher.ErrBadSubject) {
				t.Error(err)
			}
		}
	})
}

// Who does not take the replies is told that some are missing, after those that
// waited, and holds nobody up.
func TestTooManyReplies(t *testing.T) {
	const room, flood = 65536, 70_000
	url := startVigil(t)
	pub := connect(t, url, publisher.Config{})
	responder(t, url, "flood", func(m *subscriber.Msg) {
		for range flood {
			if err := m.Respond(context.Background(), nil); err != nil {
				t.Error(err)
			}
		}
	})
	responder(t, url, "echo", func(m *subscriber.Msg) {
		if err := m.Respond(context.Background(), m.Data); err != nil {
			t.Error(err)
		}
	})
	n := 0
	var last error
	for _, err := range pub.Replies(within(t), &publisher.Msg{Subject: "flood"}) {
		if n++; n == 1 {
			for pub.Stats().InMessages < flood { // all have come, one was taken
				if _, err := pub.Request(within(t), "echo", nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		last = err
	}
	if n < room || n > room+10 || !errors.Is(last, publisher.ErrTooManyReplies) {
		t.Errorf("%d, the last with %v", n, last)
	}
}

// What replies hold is bounded in bytes, those of headers as well.
func TestRepliesAreBoundedInBytes(t *testing.T) {
	for name, m := range map[string]*publisher.Msg{
		"data":    {Data: make([]byte, 60_000)},
		"headers": {Header: publisher.Header{"A": {strings.Repeat("x", 60_000)}}},
	} {
		t.Run(name, func(t *testing.T) {
			const flood = 3000 // 180 MB
			url := startVigil(t)
			pub, other := connect(t, url, publisher.Config{}), connect(t, url, publisher.Config{})
			responder(t, url, "flood", func(ask *subscriber.Msg) {
				for range flood {
					if err := other.PublishMsg(context.Background(), &publisher.Msg{Subject: ask.Reply, Data: m.Data, Header: m.Header}); err != nil {
						t.Error(err)
					}
				}
				if err := other.Publish(context.Background(), "done", nil); err != nil {
					t.Error(err)
				}
			})
			done := make(chan struct{})
			responder(t, url, "done", func(*subscriber.Msg) { close(done) })
			n := 0
			var last error
			for _, err := range pub.Replies(within(t), &publisher.Msg{Subject: "flood"}) {
				if n++; n == 1 {
					<-done
					for pub.Stats().InMessages < flood {
						if err := pub.Flush(within(t)); err != nil {
							t.Fatal(err)
						}
					}
				}
				last = err
			}
			if n < 500 || n > 1200 || !errors.Is(last, publisher.ErrTooManyReplies) {
				t.Errorf("%d replies of 60 kB, the last with %v", n, last)
			}
		})
	}
}

func TestRepliesEndWithThePublisher(t *testing.T) {
	url := startVigil(t)
	pub := connect(t, url, publisher.Config{})
	responder(t, url, "once", func(m *subscriber.Msg) {
		if err := m.Respond(context.Background(), nil); err != nil {
			t.Error(err)
		}
	})
	n := 0
	for _, err := range pub.Replies(within(t), &publisher.Msg{Subject: "once"}) {
		if n++; n == 1 && err == nil {
			pub.Close()
		} else if n != 2 || !errors.Is(err, publisher.ErrClosed) {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// Where each user may subscribe below a prefix of its own only, requests and
// routed probes go there.
func TestInboxPrefix(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		Users: []*server.User{{Username: "joe", Password: "s3cret", Permissions: &server.Permissions{
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_joe.>"}},
		}}, {Username: "any", Password: "s3cret"}}})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats-server did not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	as := func(user string) string { return strings.Replace(s.ClientURL(), "//", "//"+user+":s3cret@", 1) }
	responder(t, as("any"), "echo", func(m *subscriber.Msg) {
		if !strings.HasPrefix(m.Reply, "_INBOX_joe.") {
			t.Errorf("reply to %q", m.Reply)
		}
		if err := m.Respond(context.Background(), m.Data); err != nil {
			t.Error(err)
		}
	})
	pub := connect(t, as("joe"), publisher.Config{InboxPrefix: "_INBOX_joe", RoutedProbe: 10 * time.Millisecond,
		OnEvent: func(e publisher.Event) {
			if e.Kind == publisher.EventServerError || e.Kind == publisher.EventLost {
				t.Errorf("event %v", e)
			}
		}})
	for range 100 { // amid routed probes
		if m, err := pub.Request(within(t), "echo", []byte("x")); err != nil || string(m.Data) != "x" {
			t.Fatalf("%v, %v", m, err)
		}
	}
	for _, bad := range []string{"a b", "a.*", ".", "a\r\n"} {
		if _, err := publisher.Connect(within(t), s.ClientURL(), publisher.Config{InboxPrefix: bad}); err == nil || !strings.Contains(err.Error(), "InboxPrefix") {
			t.Errorf("%q: %v", bad, err)
		}
		if _, err := subscriber.Connect(within(t), s.ClientURL(), subscriber.Config{InboxPrefix: bad}); err == nil || !strings.Contains(err.Error(), "InboxPrefix") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
