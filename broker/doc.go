// Package broker is a message broker that speaks the core of the NATS client
// protocol: publish and subscribe with wildcards, queue groups, headers,
// request and reply with "no responders". Any NATS client works with it
// unchanged. It keeps nothing: a message goes to who listens now, at most once.
//
// # Use
//
// Start listens and returns; Shutdown closes everything and waits. Several
// brokers may live in one process, so that a program can embed one and a test
// can have its own:
//
//	b, err := broker.Start(broker.Config{Port: broker.RandomPort})
//	if err != nil { … }
//	defer b.Shutdown(context.Background())
//	… connect clients to b.URL() …
//
// The zero Config is a broker on 127.0.0.1:4222. Config.Listener serves any
// other stream: TLS, a Unix socket, a network in memory.
//
// # How a message travels
//
//	publisher's read loop (one goroutine per client)            subscribers
//
//	 socket ──► inbox ──► wire.Parser ──► session ──► publisher
//	            pooled    in place        judges      routes:
//	            buffer                                cache, then router
//	                                                     │
//	                       ┌── stage for B ◄─────────────┤
//	                       ├── stage for C ◄─────────────┤ while the batch
//	                       └── own stage (PONG, +OK) ◄───┘ is parsed
//	                              │
//	                 behind the batch, own stage last
//	                              ▼
//	                 outbox of B, of C, of oneself
//	                              │
//	            nobody writes? ───┼─── written at once by this read loop
//	            would block?   ───┴─── a writer goroutine takes over until
//	                                   the queue is empty              ──► socket
//
// A batch is what one read returned. While it is parsed no lock is taken and
// nothing is allocated: routes are cached by subject and hold as long as the
// routing table's generation has not moved, and each destination's messages
// are appended to a stage that nobody else sees. Behind the batch each stage is
// handed to its outbox, which costs one lock and, if the subscriber keeps up,
// one system call.
//
// # Who owns what
//
//	session, parser, inbox, publisher   the client's read loop
//	router, subscriptions by client     routing.mu
//	delivered, max of a subscription    atomics: every publisher counts there
//	queue of output, claims             outbox.mu, one per client
//	stream, for writing                 whoever has set outbox.writing
//	turns, detectors                    liveness.mu; one goroutine sweeps
//	clients                             Broker.mu
//
// Session and router know no clock, socket, lock or goroutine.
//
// # Locks
//
// There are four, and none is ever taken while another is held, so that there
// is no order to keep:
//
//	Broker.mu     connect, disconnect, Shutdown
//	routing.mu    SUB, UNSUB, disconnect; shared: the look-up of a subject
//	              that is not cached
//	outbox.mu     once per batch and destination, and around each write
//	liveness.mu   connect, disconnect, and each client's turn
//
// None is held over a read or write. A read loop waits in two places besides
// its socket: for congested destinations, 10 ms per batch at most, and behind an
// UNSUB for messages that other read loops have staged for the client already.
// It holds no staged output in either, so nobody waits for somebody who waits.
//
// # What is ordered
//
// Messages of one connection arrive in their order at each subscription. A PONG
// stands behind the effects of everything the client sent before its PING, and
// behind an UNSUB and its PONG no message of that subscription comes: the sid
// can be used again, and a member that leaves its queue group loses no message.
// Nothing is promised between different publishers.
//
// # Liveness
//
// Any byte from a client is life. One that is silent for PingInterval is sent a
// PING, again each PingInterval, and is closed with "Stale Connection" when
// PingMax are unanswered and another is due: with the defaults of 10 s and 2,
// 30 s after its last byte. nats-server's default of 2 min finds it after 6 min,
// during which a queue group loses what is routed to the member that is gone.
// The price is a PING and a PONG per silent client each 10 s; one that talks is
// not asked. Every client is sent one PING some 2 s after it has connected, as
// by nats-server.
//
// # Slow consumers
//
// What a client's socket does not take waits in its outbox. Above a mark of
// 4 MiB, or half of MaxPending if that is less, those who publish to the client
// are held back, 10 ms per batch at most, as long as it takes anything at all;
// for one that has taken nothing for 50 ms nobody waits. A client is closed as a
// slow consumer, without a word, when more than MaxPending waits or when its
// socket takes nothing for WriteDeadline. Others get every message.
//
// # Limits
//
//	connections                 MaxConnections; 256 more while being turned away
//	subscriptions               MaxSubscriptions, per connection; none by default
//	control line, message       MaxControlLine, MaxPayload
//	input held                  one read buffer of 64 KiB, or twice the message
//	                            whose rest is to come; nothing while idle
//	output held                 MaxPending per client, and 8 MiB staged by each
//	                            publisher while it routes a batch
//	routes cached               1 MiB per publisher
//	last words                  1 s to read an -ERR, or the rest behind an end of
//	                            the input
//
// There is no limit on the output held for all clients together: that is
// MaxConnections × MaxPending at worst.
//
// # Differences from nats-server
//
// On purpose, all in broken input: a carriage return inside an argument closes
// the connection, and so do more blanks before the arguments than a control
// line may have. There is no authentication, TLS, clustering, JetStream or
// monitoring. Transcripts in testdata are played against both.
package broker
