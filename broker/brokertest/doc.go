// Package brokertest gives a test a broker that can vanish, and proves that a client
// survives it. It is what net/http/httptest is for HTTP, for any NATS client:
//
//	func TestOrdersSurviveABrokerCrash(t *testing.T) {
//		b := brokertest.Start(t)                        // in-process, random port, stopped with the test
//		app := startMyApp(b.URL())                      // nats.go, nats.js, whatever
//		b.AwaitSubscribers(t, "orders.>", 1)            // waits for the event, no sleep
//
//		b.Crash(t)                                      // vanishes: no FIN, no RST; client sockets stay open
//		b.Restart(t)                                    // same address, no memory of the old connections
//		r := b.AwaitReconnect(t, brokertest.Within(5*time.Second))
//		t.Log(r.Noticed, r.Back)                        // how long it took
//		b.Publish(t, "orders.1", data)                  // and the app must get it
//	}
//
// No container, no privilege, no sleeps, no fixed ports. Start and stop take less than
// a millisecond (go test -bench StartStop ./broker/brokertest). Tests, sub-tests,
// benchmarks and fuzz targets may have as many brokers as they like, in parallel.
//
// The broker is Vigil's. Package natstest has the same in front of a real nats-server,
// also as a cluster and with JetStream, and [StartBackend] in front of any other.
//
// # Faults
//
// Each can be made to the broker, which meets all its clients, or to one client:
// b.Client("orders").Freeze(t), by the name in its CONNECT, or b.Conn(id).
//
//	fault                  what the client sees                          undone by
//	Crash                  nothing: no FIN, no RST, no answer; dials     Restart; Heal for one client
//	                       are accepted and met by silence
//	Kill                   a FIN; dials are refused                      Restart
//	LameDuck               INFO with ldm, then the end; dials refused    Restart
//	Reset                  a RST                                         –
//	CutAt                  a FIN behind exactly n bytes                  –
//	Freeze                 nothing; dials are accepted                   Thaw
//	BlackHole              nothing one way, or both                      Heal
//	Latency, Bandwidth     everything late, or slowly                    Heal
//	SlowReader             little of what the broker has for it          Heal
//	RefuseConnects         dials are refused                             Heal
//	AcceptAndSayNothing    dials are accepted, no INFO comes             Heal
//
// LameDuck, RefuseConnects and AcceptAndSayNothing are the broker's alone. Restart
// undoes all that was made to the broker, and resets old sockets, as a host does that
// has rebooted.
//
// # What the kernel shows
//
// The broker vanishes in user space: nobody reads and nobody answers, but the kernel of
// this machine goes on acknowledging what it has room for. To a client that asks by PING
// that is the same. To one that relies on TCP (keep-alive, TCP_USER_TIMEOUT, write
// errors) it is not: for that, Config.DropPackets has the Linux kernel drop the clients'
// packets by a filter on the broker's own sockets, which takes no privilege.
//
// # Waiting and asserting
//
// Await methods wait for what the broker has seen, never for a time; they are bounded by
// the test's deadline, or by [Within]. When they fail, and at the end of every failed
// test, they tell the story:
//
//	awaited the reconnect of 1 client since Crash: vanished without a FIN for 5.000s: …
//	what the broker saw, by the time since its start:
//	   0.000s  broker        listens at nats://127.0.0.1:39339
//	   0.002s  1 orders      connected from 127.0.0.1:44028
//	   0.002s  1 orders      CONNECT by go 1.55.0
//	   0.003s  1 orders      SUB orders.> 1
//	   0.004s  broker        Crash: vanished without a FIN
//	   0.154s  1 orders      closed its connection
//
// Messages of [Broker.Publish] are numbered: [Broker.Missed] tells those that no client
// was handed, and [Broker.AssertDelivered] compares them with what the client says it
// has.
//
// # Virtual time
//
// In a testing/synctest bubble Start opens no socket. A client that takes a connection
// of the same process then runs in virtual time: nats.go's defaults notice a crash after
// exactly 6 minutes, and the test takes milliseconds:
//
//	synctest.Test(t, func(t *testing.T) {
//		b := brokertest.Start(t)
//		nc, err := nats.Connect("", nats.InProcessServer(b))
//		… subscriber.Config{Dial: b.Dial} for Vigil's clients
//		b.Crash(t)
//		b.AwaitStale(t)
//	})
//
// The client must be made in the bubble. nats.go keeps timers in a sync.Pool of the
// whole process, and a timer must not leave its bubble: Start and the end of the test
// empty the pools, which is enough unless tests outside of bubbles use nats.go at the
// same time. So a test with a bubble should not be parallel.
//
// # A battery
//
// [Suite] has a client go through every fault, given how to start and stop it and how to
// see a message arrive, and logs a table of what it survived and how soon.
package brokertest
