package natstest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"vigil/broker/brokertest"
	"vigil/broker/brokertest/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A real nats-server runs in virtual time, too.
func TestDefaultsOfNATSGoInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := natstest.Start(t)
		nc, err := nats.Connect("", nats.InProcessServer(b))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		b.AwaitConnect(t)
		start := time.Now()
		b.BlackHole(t, brokertest.Both)
		b.AwaitStale(t)
		if took := time.Since(start); took != 6*time.Minute {
			t.Errorf("found after %v, want 6m", took)
		}
	})
}

// What JetStream has stored is there after a crash, and a consumer goes on.
func TestJetStreamSurvivesACrash(t *testing.T) {
	t.Parallel()
	b := natstest.Start(t, natstest.Config{JetStream: true})
	nc, err := nats.Connect(b.URL(), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0), nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish("orders.1", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	b.Crash(t)
	b.Restart(t)
	b.AwaitReconnect(t)
	m, err := js.GetMsg("ORDERS", 1)
	if err != nil || string(m.Data) != "kept" {
		t.Errorf("stored: %v, %v", m, err)
	}
}

// The clients of a server that has gone move to the others of its cluster, of which
// it has told them.
func TestCluster(t *testing.T) {
	t.Parallel()
	brokers := natstest.StartCluster(t, 3)
	nc, err := nats.Connect(brokers[0].URL(), nats.Name("app"), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0), nats.DontRandomize())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	got := make(chan *nats.Msg, 64)
	if _, err := nc.ChanSubscribe("orders.>", got); err != nil {
		t.Fatal(err)
	}
	brokers[0].AwaitSubscribers(t, "orders.>", 1)
	moved := nc.StatusChanged(nats.CONNECTED)
	brokers[0].Kill(t)
	<-moved
	at := nc.ConnectedUrl()
	for _, b := range brokers[1:] {
		if b.URL() == at {
			b.AwaitSubscribers(t, "orders.>", 1, brokertest.By("app"))
			b.Publish(t, "orders.1", []byte("moved"))
			if m := <-got; string(m.Data) != "moved" {
				t.Errorf("got %q", m.Data)
			}
			comesBack(t, brokers[0], got)
			return
		}
	}
	t.Errorf("connected to %s, none of the cluster's others", at)
}

// comesBack restarts a member of a cluster, and wants what is published there to reach a
// client of another.
func comesBack(t *testing.T, b *brokertest.Broker, got chan *nats.Msg) {
	t.Helper()
	b.Restart(t)
	// The routes, and the interest of the others, come by themselves, and without a sign.
	for look := time.NewTicker(20 * time.Millisecond); ; <-look.C {
		b.Publish(t, "orders.1", []byte("by the restarted"))
		select {
		case m := <-got:
			if string(m.Data) != "by the restarted" {
				t.Errorf("got %q", m.Data)
			}
			look.Stop()
			return
		default:
		}
	}
}

// Config.Server reaches nats-server.
func TestServerOptions(t *testing.T) {
	t.Parallel()
	b := natstest.Start(t, natstest.Config{Server: func(o *server.Options) { o.MaxPayload = 100 }})
	nc, err := nats.Connect(b.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if nc.MaxPayload() != 100 {
		t.Errorf("the payload is limited to %d bytes, want 100", nc.MaxPayload())
	}
}
