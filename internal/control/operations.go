package control

import (
	"context"
	"errors"
	"net/http"
	"time"

	"vigil/internal/front"
)

// The results.
type (
	brokerResult struct {
		URL string `json:"url"`
	}
	connectResult struct {
		Client     string `json:"client"`
		Connection uint64 `json:"connection"`
	}
	reconnectResult struct {
		Fault          string  `json:"fault"`
		NoticedSeconds float64 `json:"noticed_seconds"`
		BackSeconds    float64 `json:"back_seconds"`
	}
	publishResult struct {
		ID int `json:"id"`
	}
	idsResult struct {
		IDs []int `json:"ids"`
	}
)

var errNoTLS = errors.New("the broker speaks no TLS: start it with --tls")

// operations are all that can be asked.
var operations = []operation{
	{
		method: http.MethodGet, path: "/v1/broker", summary: "Tells what clients connect to.",
		result: brokerResult{"nats://127.0.0.1:4222"},
		run: func(_ context.Context, s *Server, _ *request) (any, error) {
			return brokerResult{s.front.URL()}, nil
		},
	},
	told("/v1/ca", "Returns the authority that signed the broker's certificate, as PEM.", nil, func(s *Server, _ *request) (string, error) {
		if s.ca == "" {
			return "", errNoTLS
		}
		return s.ca, nil
	}),

	fault("/v1/crash", "Makes the broker vanish: no FIN, no RST; its clients' sockets stay open, and dials are met by silence. Ended by restart. With client or connection it is their connections that are lost, ended by heal.", nil, nil,
		func(f *front.Front, r *request) error { return f.Crash(r.scope()) }),
	fault("/v1/kill", "Ends the broker's process: a FIN to each client, dials are refused. Ended by restart.", nil, nil,
		func(f *front.Front, r *request) error { return f.Kill(r.scope()) }),
	whole("/v1/restart", "Starts the broker anew at the same address, without memory of its clients. Ends all faults of the broker; old sockets are reset.", (*front.Front).Restart),
	whole("/v1/lame-duck", "Announces that the broker is to stop, sends its clients away and stops it. Ended by restart.", (*front.Front).LameDuck),
	fault("/v1/reset", "Ends connections with a RST.", nil, nil,
		func(f *front.Front, r *request) error { return f.Reset(r.scope()) }),
	fault("/v1/freeze", "Stops the broker's process, while its kernel goes on accepting. Ended by thaw.", nil, nil,
		func(f *front.Front, r *request) error { return f.Freeze(r.scope()) }),
	fault("/v1/thaw", "Ends freeze.", nil, nil,
		func(f *front.Front, r *request) error { return f.Thaw(r.scope()) }),
	fault("/v1/black-hole", "Swallows bytes, with the connections open. Ended by heal, when they arrive late.", []string{"direction"}, nil,
		func(f *front.Front, r *request) error {
			if r.Direction == 0 {
				r.Direction = direction(front.Both)
			}
			return f.BlackHole(r.scope(), front.Direction(r.Direction))
		}),
	fault("/v1/latency", "Makes every byte take longer, each way. Ended by heal.", []string{"delay"}, []string{"delay"},
		func(f *front.Front, r *request) error { return f.Latency(r.scope(), time.Duration(r.Delay)) }),
	fault("/v1/bandwidth", "Bounds the bytes that pass a second, each way on each connection. Ended by heal.", []string{"bytes_per_second"}, []string{"bytes_per_second"},
		func(f *front.Front, r *request) error { return f.Bandwidth(r.scope(), r.BytesPerSecond) }),
	fault("/v1/slow-reader", "Has clients take few bytes a second from the broker, in which the rest waits. Ended by heal.", []string{"bytes_per_second"}, []string{"bytes_per_second"},
		func(f *front.Front, r *request) error { return f.SlowReader(r.scope(), r.BytesPerSecond) }),
	fault("/v1/cut-at", "Cuts each connection there is when exactly so many more bytes have reached the client.", []string{"bytes"}, []string{"bytes"},
		func(f *front.Front, r *request) error { return f.CutAt(r.scope(), r.Bytes) }),
	whole("/v1/refuse-connects", "Has dials refused. Ended by heal.", (*front.Front).Refuse),
	whole("/v1/accept-and-say-nothing", "Has dials accepted, and nothing said. Ended by heal.", (*front.Front).Silence),
	fault("/v1/heal", "Ends black-hole, latency, bandwidth and slow-reader; without client and connection also refuse-connects and accept-and-say-nothing.", nil, nil,
		func(f *front.Front, r *request) error { return f.Heal(r.scope()) }),

	await("/v1/await/connect", "Waits until a client is connected.", []string{"client"}, nil, connectResult{"orders", 7},
		func(ctx context.Context, f *front.Front, r *request) (any, error) {
			name, number, err := f.AwaitConnect(ctx, r.Client)
			return connectResult{name, number}, err
		}),
	await("/v1/await/subscribers", "Waits until count subscriptions get all that is published to subject, which may be a pattern.", []string{"subject", "count", "client"}, []string{"subject"}, done{},
		func(ctx context.Context, f *front.Front, r *request) (any, error) {
			return done{}, f.AwaitSubscribers(ctx, r.Subject, max(1, r.Count), r.Client)
		}),
	await("/v1/await/reconnect", "Waits until the clients that the last fault met are connected again and subscribed as before.", []string{"client"}, nil, reconnectResult{"Crash: vanished without a FIN", 1.8, 2.1},
		func(ctx context.Context, f *front.Front, r *request) (any, error) {
			back, err := f.AwaitReconnect(ctx, r.Client)
			return reconnectResult{back.Fault, back.Noticed.Seconds(), back.Back.Seconds()}, err
		}),
	await("/v1/await/stale", "Waits until a connection is given up for its silence, by the broker or by a client.", []string{"client"}, nil, done{},
		func(ctx context.Context, f *front.Front, r *request) (any, error) {
			return done{}, f.AwaitStale(ctx, r.Client)
		}),
	await("/v1/await/idle", "Waits until nothing but PING and PONG has passed for the time quiet.", []string{"quiet"}, nil, done{},
		func(ctx context.Context, f *front.Front, r *request) (any, error) {
			if r.Quiet == 0 {
				r.Quiet = span(defaultQuiet)
			}
			return done{}, f.AwaitIdle(ctx, time.Duration(r.Quiet))
		}),

	await("/v1/publish", "Publishes a message past all faults and tells its number; the first is 1.", []string{"subject", "data"}, []string{"subject"}, publishResult{1},
		func(ctx context.Context, f *front.Front, r *request) (any, error) {
			id, err := f.Publish(ctx, r.Subject, []byte(r.Data))
			return publishResult{id}, err
		}),
	{
		method: http.MethodGet, path: "/v1/missed", summary: "Tells the numbers of the messages published to subject, which may be a pattern, that no client was handed.",
		fields: []string{"subject"}, required: []string{"subject"}, result: idsResult{[]int{2, 3}},
		run: func(_ context.Context, s *Server, r *request) (any, error) {
			return idsResult{append([]int{}, s.front.Missed(r.Subject)...)}, nil
		},
	},
	{
		method: http.MethodPost, path: "/v1/assert/delivered", summary: "Is an error unless ids are the numbers of all messages published to subject, which may be a pattern, each once.",
		fields: []string{"subject", "ids"}, required: []string{"subject", "ids"}, result: done{},
		run: func(_ context.Context, s *Server, r *request) (any, error) {
			return done{}, s.front.CheckDelivered(r.Subject, r.IDs)
		},
	},

	told("/v1/timeline", "Tells what the broker saw from each client, and when.", nil,
		func(s *Server, _ *request) (string, error) { return s.front.Story(), nil }),
	told("/v1/transcript", "Tells what passed on the connections of a client, or of all: > to the broker, < to the client.", []string{"client"},
		func(s *Server, r *request) (string, error) { return s.front.Transcript(r.Client), nil }),
}
