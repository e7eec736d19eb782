package foreign_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
)

// Requests in every style that nats.go has.
func TestRequests(t *testing.T) {
	styles := map[string][]nats.Option{
		"one inbox for all":  nil,
		"an inbox each":      {nats.UseOldRequestStyle()},
		"prefix":             {nats.CustomInboxPrefix("_MINE.alice")},
		"prefix, inbox each": {nats.CustomInboxPrefix("_MINE.bob"), nats.UseOldRequestStyle()},
		"no echo":            {nats.NoEcho()},
	}
	each(t, func(t *testing.T, b *process) {
		server := b.dial(t)
		var mu sync.Mutex
		var replies []string
		_, err := server.QueueSubscribe("svc.*", "servers", func(m *nats.Msg) {
			mu.Lock()
			replies = append(replies, m.Reply)
			mu.Unlock()
			answer := nats.NewMsg(m.Reply)
			answer.Header = nats.Header{"Trace": m.Header["Trace"]}
			answer.Data = append([]byte("re: "), m.Data...)
			_ = m.RespondMsg(answer)
		})
		must(t, err)
		must(t, server.Flush())
		for name, opts := range styles {
			mu.Lock()
			replies = nil
			mu.Unlock()
			nc := b.dial(t, opts...)
			askAll(t, name, nc)
			prefix := "_INBOX."
			if nc.Opts.InboxPrefix != "" {
				prefix = nc.Opts.InboxPrefix + "."
			}
			mu.Lock()
			for _, r := range replies {
				if !strings.HasPrefix(r, prefix) {
					t.Errorf("%s: reply subject %q", name, r)
				}
			}
			mu.Unlock()
			if _, err := nc.Request("nobody", nil, patience); !errors.Is(err, nats.ErrNoResponders) {
				t.Errorf("%s: request to nobody: %v", name, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			if _, err := nc.RequestWithContext(ctx, "nobody.at.all", []byte("x")); !errors.Is(err, nats.ErrNoResponders) {
				t.Errorf("%s: request to nobody, with context: %v", name, err)
			}
			cancel()
		}
	})
}

// askAll asks concurrently and checks that each answer is the asker's.
func askAll(t *testing.T, style string, nc *nats.Conn) {
	t.Helper()
	const askers, questions = 4, 25
	var wg sync.WaitGroup
	for a := range askers {
		wg.Go(func() {
			for q := range questions {
				text := fmt.Sprintf("%d/%d", a, q)
				msg := nats.NewMsg(fmt.Sprintf("svc.%d", a))
				msg.Header.Set("Trace", text)
				msg.Data = []byte(text)
				answer, err := nc.RequestMsg(msg, patience)
				if err != nil || string(answer.Data) != "re: "+text || answer.Header.Get("Trace") != text {
					t.Errorf("%s: %s: got %+v, error %v", style, text, answer, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A subscriber that got the request and does not answer is no case of no
// responders: the request waits.
func TestRequestUnanswered(t *testing.T) {
	each(t, func(t *testing.T, b *process) {
		nc, silent := b.dial(t), b.dial(t)
		asked := make(chan *nats.Msg, 1)
		_, err := silent.ChanSubscribe("silent", asked)
		must(t, err)
		must(t, silent.Flush())
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		// Owned by the test; ends with ctx; the test waits for failed.
		go func() { _, err := nc.RequestWithContext(ctx, "silent", nil); failed <- err }()
		await(t, "the request", asked)
		must(t, nc.Flush())
		if len(failed) > 0 {
			t.Errorf("the request ended by itself: %v", <-failed)
		}
		cancel()
		if err := await(t, "the request's end", failed); !errors.Is(err, context.Canceled) {
			t.Errorf("the request ended with %v", err)
		}
	})
}

// One request, many answers.
func TestRequestMany(t *testing.T) {
	const servers = 4
	each(t, func(t *testing.T, b *process) {
		for k := range servers {
			nc := b.dial(t)
			_, err := nc.Subscribe("all", func(m *nats.Msg) { _ = m.Respond(fmt.Append(nil, k)) })
			must(t, err)
			must(t, nc.Flush())
		}
		nc := b.dial(t)
		var got []string
		for _, m := range askMany(t, nc, "all", servers) {
			got = append(got, string(m.Data))
		}
		if slices.Sort(got); !slices.Equal(got, []string{"0", "1", "2", "3"}) {
			t.Errorf("got %q", got)
		}
		inbox, err := nc.SubscribeSync(nc.NewInbox())
		must(t, err)
		must(t, nc.PublishRequest("none", inbox.Subject, nil))
		m, err := inbox.NextMsg(patience)
		if !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("many, of nobody: got %+v, error %v", m, err)
		}
	})
}

// askMany publishes a request and returns its first n answers.
func askMany(t *testing.T, nc *nats.Conn, subject string, n int) (answers []*nats.Msg) {
	t.Helper()
	inbox, err := nc.SubscribeSync(nc.NewInbox())
	must(t, err)
	defer func() { must(t, inbox.Unsubscribe()) }()
	must(t, nc.PublishRequest(subject, inbox.Subject, nil))
	for range n {
		m, err := inbox.NextMsg(patience)
		must(t, err)
		answers = append(answers, m)
	}
	return answers
}
