package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"vigil/auth"
	"vigil/broker"
	"vigil/internal/pki"
	"vigil/publisher"
	"vigil/subscriber"
)

// brokers runs a test against Vigil's broker and a stock nats-server.
func brokers(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("vigil", func(t *testing.T) { test(t, startVigil(t)) })
	t.Run("nats-server", func(t *testing.T) { test(t, startNATS(t).ClientURL()) })
}

func startVigil(t testing.TB) string {
	b, err := broker.Start(broker.Config{Port: broker.RandomPort})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Shutdown(context.Background()); err != nil {
			t.Errorf("broker: shutdown: %v", err)
		}
	})
	return b.URL()
}

func startNATS(t testing.TB) *server.Server {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats-server did not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

// within returns a context that fails a test which hangs.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func connect(t testing.TB, url string, cfg publisher.Config) *publisher.Publisher {
	t.Helper()
	pub, err := publisher.Connect(within(t), url, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pub.Close() })
	return pub
}

// responder answers requests on a subject until the test ends.
func responder(t testing.TB, url, subject string, answer func(*subscriber.Msg)) {
	t.Helper()
	sub, err := subscriber.Connect(within(t), url, subscriber.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sub.Close() })
	if _, err := sub.SubscribeFunc(subject, answer); err != nil {
		t.Fatal(err)
	}
	if err := sub.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
}

func TestRequest(t *testing.T) {
	brokers(t, func(t *testing.T, url string) {
		pub := connect(t, url, publisher.Config{})
		responder(t, url, "echo", func(m *subscriber.Msg) {
			if err := m.Respond(context.Background(), m.Data); err != nil {
				t.Error(err)
			}
		})
		var all sync.WaitGroup
		for i := range 50 { // at the same time, over one inbox
			all.Go(func() {
				for j := range 20 {
					want := fmt.Sprint(i, " ", j)
					m, err := pub.Request(within(t), "echo", []byte(want))
					if err != nil || string(m.Data) != want {
						t.Errorf("request %s: %v, %v", want, m, err)
					}
				}
			})
		}
		all.Wait()
	})
}

func TestNoResponders(t *testing.T) {
	brokers(t, func(t *testing.T, url string) {
		pub := connect(t, url, publisher.Config{})
		start := time.Now()
		if _, err := pub.Request(within(t), "nobody", nil); !errors.Is(err, publisher.ErrNoResponders) {
			t.Errorf("request: %v", err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("known after %v, want at once", d)
		}
	})
}

func TestRequestEndsWithContextAndClose(t *testing.T) {
	url := startVigil(t)
	pub := connect(t, url, publisher.Config{})
	asked := make(chan struct{}, 2)
	responder(t, url, "mute", func(*subscriber.Msg) { asked <- struct{}{} })
	ctx, cancel := context.WithTimeout(within(t), 50*time.Millisecond)
	defer cancel()
	if _, err := pub.Request(ctx, "mute", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("request: %v", err)
	}
	<-asked
	go func() {
		<-asked
		pub.Close()
	}()
	if _, err := pub.Request(within(t), "mute", nil); !errors.Is(err, publisher.ErrClosed) {
		t.Errorf("request: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	pub := connect(t, startVigil(t), publisher.Config{})
	ctx := within(t)
	for _, s := range []string{"", "a b", "a..b", ".a", "a.", "*", "a.>", "a\r\nPUB x 0", "a\tb", "a\n"} {
		if err := pub.Publish(ctx, s, nil); !errors.Is(err, publisher.ErrBadSubject) {
			t.Errorf("subject %q: %v", s, err)
		}
		if _, err := pub.Request(ctx, s, nil); !errors.Is(err, publisher.ErrBadSubject) {
			t.Errorf("request %q: %v", s, err)
		}
		if s != "" {
			if err := pub.PublishMsg(ctx, &publisher.Msg{Subject: "a", Reply: s}); !errors.Is(err, publisher.ErrBadSubject) {
				t.Errorf("reply %q: %v", s, err)
			}
		}
	}
	for _, h := range []publisher.Header{{"": {"x"}}, {"a b": {"x"}}, {"a:": {"x"}}, {"a": {"x\r\ny: z"}}, {"a\r\n": nil}} {
		if err := pub.PublishMsg(ctx, &publisher.Msg{Subject: "a", Header: h}); !errors.Is(err, publisher.ErrBadHeader) {
			t.Errorf("header %q: %v", h, err)
		}
	}
	err := pub.Publish(ctx, "a", make([]byte, 2<<20))
	if pe, ok := errors.AsType[*publisher.PayloadError](err); !ok || pe.Size != 2<<20 ||
		!strings.Contains(err.Error(), "2097152") || !strings.Contains(err.Error(), "1048576") {
		t.Errorf("payload: %v", err)
	}
	if err := pub.Flush(ctx); err != nil {
		t.Errorf("the connection suffered: %v", err)
	}
	if s := pub.Stats(); s.OutMessages != 0 || s.ServerErrors != 0 || s.Losses != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestCloseSendsWhatWaits(t *testing.T) {
	brokers(t, func(t *testing.T, url string) {
		got := make(chan string, 2000)
		responder(t, url, "s", func(m *subscriber.Msg) { got <- string(m.Data) })
		pub := connect(t, url, publisher.Config{})
		for i := range 1000 {
			if err := pub.Publish(within(t), "s", fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := pub.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		for i := range 1000 {
			if m := <-got; m != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, m)
			}
		}
		if err := pub.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
	})
}

func TestCloseSaysWhatIsLeft(t *testing.T) {
	s := startNATS(t)
	lost := make(chan struct{}, 1)
	pub := connect(t, s.ClientURL(), publisher.Config{OnEvent: func(e publisher.Event) {
		if e.Kind == publisher.EventLost {
			lost <- struct{}{}
		}
	}})
	s.Shutdown()
	s.WaitForShutdown()
	<-lost
	if err := pub.Publish(within(t), "s", []byte("x")); err != nil {
		t.Fatal(err)
	}
	left, ok := errors.AsType[*publisher.UnsentError](pub.Close())
	if !ok || left.Queued.Messages != 1 {
		t.Errorf("close: %v", left)
	}
}

func TestPublishAllocatesNothing(t *testing.T) {
	pub := connect(t, startVigil(t), publisher.Config{})
	ctx, data := within(t), make([]byte, 128)
	publish := func() {
		for range 1000 {
			if err := pub.Publish(ctx, "orders.new", data); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 20 {
		publish()
	}
	if n := testing.AllocsPerRun(50, publish); n > 20 { // some per wait, none per message
		t.Errorf("%v allocations for 1000 messages", n)
	}
}

// BenchmarkPublish bounds what a message costs from Publish until the broker
// has confirmed it, with nobody subscribed.
func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{16, 128, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			pub := connect(b, startVigil(b), publisher.Config{})
			data := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := pub.Publish(b.Context(), "orders.new", data); err != nil {
					b.Fatal(err)
				}
			}
			if err := pub.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkRequest bounds a round trip through the broker to another connection
// and back.
func BenchmarkRequest(b *testing.B) {
	url := startVigil(b)
	responder(b, url, "echo", func(m *subscriber.Msg) { m.Respond(context.Background(), m.Data) })
	pub := connect(b, url, publisher.Config{})
	data := make([]byte, 16)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pub.Request(b.Context(), "echo", data); err != nil {
			b.Fatal(err)
		}
	}
}

// Auth and TLS are the subscriber's, in whose tests they are tried in full.
func TestAuthAndTLS(t *testing.T) {
	ca := pki.New(t)
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		Authorization: "t0ken", TLS: true, TLSConfig: ca.Server("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats-server did not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	url := "tls://" + s.Addr().String()
	pub := connect(t, url, publisher.Config{Auth: auth.Token("t0ken"), TLS: ca.Client()})
	if err := pub.Publish(within(t), "a", nil); err != nil {
		t.Fatal(err)
	}
	if err := pub.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	_, err = publisher.Connect(within(t), url, publisher.Config{Auth: auth.Token("wrong"), TLS: ca.Client()})
	if refused, ok := errors.AsType[*publisher.AuthError](err); !ok || refused.Source != "the token" {
		t.Errorf("%v", err)
	}
}
