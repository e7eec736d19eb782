package foreign_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// addService starts an instance of the service "orders" on a connection of its
// own.
func addService(t *testing.T, b *process) (micro.Service, *nats.Conn) {
	t.Helper()
	nc := b.dial(t)
	s, err := micro.AddService(nc, micro.Config{
		Name: "orders", Version: "1.2.3", Description: "for a test",
		Metadata: map[string]string{"region": "eu"},
		Endpoint: &micro.EndpointConfig{
			Subject: "orders.echo",
			Handler: micro.HandlerFunc(func(r micro.Request) {
				_ = r.Respond(r.Data(), micro.WithHeaders(micro.Headers{"Trace": r.Headers()["Trace"]}))
			}),
		},
		ErrorHandler: func(_ micro.Service, err *micro.NATSError) { t.Errorf("service: %v", err) },
	})
	must(t, err)
	numbers := s.AddGroup("numbers", micro.WithGroupQueueGroup("counters"))
	must(t, numbers.AddEndpoint("double", micro.HandlerFunc(func(r micro.Request) {
		n, err := strconv.Atoi(string(r.Data()))
		if err != nil {
			_ = r.Error("400", "not a number", []byte(`{"got":"`+string(r.Data())+`"}`), micro.WithHeaders(micro.Headers{"Hint": {"digits"}}))
			return
		}
		_ = r.RespondJSON(map[string]int{"double": 2 * n})
	})))
	must(t, numbers.AddGroup("deep").AddEndpoint("any", micro.HandlerFunc(func(r micro.Request) {
		_ = r.Respond([]byte(r.Subject()))
	}), micro.WithEndpointSubject("any.*")))
	must(t, s.AddEndpoint("everyone", micro.HandlerFunc(func(r micro.Request) {
		_ = r.Respond([]byte(s.Info().ID))
	}), micro.WithEndpointQueueGroupDisabled()))
	must(t, nc.Flush())
	return s, nc
}

// nats.go's micro-services: endpoints, groups, errors, discovery, statistics.
func TestMicro(t *testing.T) {
	each(t, func(t *testing.T, b *process) {
		first, _ := addService(t, b)
		second, _ := addService(t, b)
		ids := []string{first.Info().ID, second.Info().ID}
		slices.Sort(ids)
		nc := b.dial(t)
		askEndpoints(t, nc)

		var everyone []string
		for _, m := range askMany(t, nc, "everyone", 2) {
			everyone = append(everyone, string(m.Data))
		}
		if slices.Sort(everyone); !slices.Equal(everyone, ids) {
			t.Errorf("without a queue group %q answered, want %q", everyone, ids)
		}
		discover(t, nc, ids)

		const requests = 200
		for range requests {
			_, err := nc.Request("orders.echo", nil, patience)
			must(t, err)
		}
		share := func(s micro.Service) int { return s.Stats().Endpoints[0].NumRequests }
		eventually(t, "the statistics of all requests", func() bool { return share(first)+share(second) == requests+1 })
		if share(first) < requests/10 || share(second) < requests/10 {
			t.Errorf("of %d requests %d went to one and %d to the other", requests, share(first), share(second))
		}

		must(t, first.Stop())
		eventually(t, "the end of the first instance", func() bool {
			_, err := nc.Request("$SRV.PING.orders."+first.Info().ID, nil, patience)
			return errors.Is(err, nats.ErrNoResponders)
		})
		for range 50 {
			_, err := nc.Request("orders.echo", nil, patience)
			must(t, err)
		}
		must(t, second.Stop())
		eventually(t, "no responders behind the last instance", func() bool {
			_, err := nc.Request("orders.echo", nil, patience)
			return errors.Is(err, nats.ErrNoResponders)
		})
	})
}

func askEndpoints(t *testing.T, nc *nats.Conn) {
	t.Helper()
	msg := nats.NewMsg("orders.echo")
	msg.Header.Add("Trace", "one")
	msg.Header.Add("Trace", "two")
	msg.Data = []byte("hello")
	m, err := nc.RequestMsg(msg, patience)
	must(t, err)
	if string(m.Data) != "hello" || !slices.Equal(m.Header["Trace"], []string{"one", "two"}) {
		t.Errorf("echo: %q %v", m.Data, m.Header)
	}
	m, err = nc.Request("numbers.double", []byte("21"), patience)
	must(t, err)
	if string(m.Data) != `{"double":42}` {
		t.Errorf("double: %q", m.Data)
	}
	m, err = nc.Request("numbers.double", []byte("many"), patience)
	must(t, err)
	if m.Header.Get(micro.ErrorHeader) != "not a number" || m.Header.Get(micro.ErrorCodeHeader) != "400" ||
		m.Header.Get("Hint") != "digits" || string(m.Data) != `{"got":"many"}` {
		t.Errorf("error response: %q %v", m.Data, m.Header)
	}
	m, err = nc.Request("numbers.deep.any.thing", nil, patience)
	must(t, err)
	if string(m.Data) != "numbers.deep.any.thing" {
		t.Errorf("group within a group: %q", m.Data)
	}
	if _, err = nc.Request("numbers.deep.any", nil, patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("an endpoint that is none: %v", err)
	}
}

// discover asks all instances, those of a name, and one, by each verb.
func discover(t *testing.T, nc *nats.Conn, ids []string) {
	t.Helper()
	for _, verb := range []micro.Verb{micro.PingVerb, micro.InfoVerb, micro.StatsVerb} {
		for _, at := range []struct{ name, id string }{{}, {"orders", ""}, {"orders", ids[0]}} {
			subject, err := micro.ControlSubject(verb, at.name, at.id)
			must(t, err)
			want := ids
			if at.id != "" {
				want = []string{at.id}
			}
			var got []string
			for _, m := range askMany(t, nc, subject, len(want)) {
				got = append(got, checkIdentity(t, verb, m.Data))
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s: %q answered, want %q", subject, got, want)
			}
		}
	}
	if _, err := nc.Request("$SRV.PING.unknown", nil, patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("PING to an unknown service: %v", err)
	}
}

func checkIdentity(t *testing.T, verb micro.Verb, data []byte) (id string) {
	t.Helper()
	var told struct {
		micro.ServiceIdentity
		Type      string            `json:"type"`
		Endpoints []json.RawMessage `json:"endpoints"`
	}
	must(t, json.Unmarshal(data, &told))
	types := map[micro.Verb]string{micro.PingVerb: micro.PingResponseType, micro.InfoVerb: micro.InfoResponseType, micro.StatsVerb: micro.StatsResponseType}
	if told.Type != types[verb] || told.Name != "orders" || told.Version != "1.2.3" || told.Metadata["region"] != "eu" {
		t.Errorf("%s: %s", verb, data)
	}
	if verb != micro.PingVerb && len(told.Endpoints) != 4 {
		t.Errorf("%s: %d endpoints, want 4", verb, len(told.Endpoints))
	}
	return told.ID
}
