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
// other stream: TLS, a Unix socket, a network in memory. A client of the same
// process needs no socket:
//
//	nc, err := nats.Connect("", nats.InProcessServer(b))
//
// Methods have the names that those who embed nats-server know where they mean
// the same: ClientURL, ReadyForConnections, InProcessConn, WaitForShutdown.
//
// # How a message travels
//
//	publisher's turn                                            subscribers
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
//	            nobody writes? ───┼─── written at once by this goroutine
//	            would block?   ───┴─── written on when the socket says that it
//	                                   takes more                      ──► socket
//
// A batch is what one read returned. While it is parsed no lock is taken and
// nothing is allocated: routes are cached by subject and hold as long as the
// routing table's version for its first token has not moved, and each
// destination's messages are appended to a stage that nobody else sees. Behind
// the batch each stage is handed to its outbox, which costs one lock and, if the
// subscriber keeps up, one system call. As long as all of a batch leads to one
// subject's subscribers, what is the same for several of them is staged once: see
// fanOut.
//
// # Turns
//
// On Linux a poller watches all sockets: when something has come, the client has
// its turn, one read of 112 KiB at most with all that follows from it, on one of
// as many goroutines as there are processors. Whoever has more stands in line
// again, so that a client that floods does not make a PING wait. A client that
// is idle has no goroutine, stack or buffer.
//
// Any other stream, and sockets of other systems, have the plain form: a
// goroutine reads, and another writes while something waits to be written. It is
// called the read loop below, whichever it is.
//
// # Who owns what
//
//	session, parser, inbox, publisher   the client's read loop
//	whose turn it is                    poller.mu
//	router, subscriptions by client     routing.mu
//	delivered, max of a subscription    atomics: every publisher counts there
//	queue of output, claims             outbox.mu, one per client
//	stream, for writing                 whoever has set outbox.writing
//	who holds how much                  atomics; who must go: ledger.mu
//	turns, detectors                    liveness.mu; one goroutine sweeps
//	clients, and what is left of those  Broker.mu
//	  that have gone
//
// Session and router know no clock, socket, lock or goroutine.
//
// # Locks
//
// There are five, and none is ever taken while another is held, so that there
// is no order to keep:
//
//	Broker.mu     connect, disconnect, Shutdown
//	routing.mu    SUB, UNSUB, disconnect; shared: the look-up of a subject
//	              that is not cached
//	outbox.mu     once per batch and destination, and around each write
//	liveness.mu   connect, disconnect, and when a client may be silent for too long
//	poller.mu     at each turn's beginning and end
//
// A sixth, ledger.mu, is taken when the memory budget is exceeded; Broker.mu and
// outbox.mu are taken behind it, one at a time, to see who holds what.
//
// The monitor has two of its own. monitor.work lets one answer be made at a
// time, with the others taken behind it one by one; monitor.mu guards its
// connections.
//
// None is held over a read or write. A read loop waits in three places besides
// its socket: for congested destinations, 10 ms per batch at most; behind an
// UNSUB, for messages that other read loops have staged for the client already;
// and, when it has taken memory, for much that is on its way back, 10 ms at most.
// It holds no staged output in any, so nobody waits for somebody who waits; and
// in a turn it tells the poller, which has another goroutine go on.
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
// A PING goes ahead of what waits for the client, so that one that reads slowly
// is not taken for dead.
//
// A client that was sent a message of a queue group, and is not heard for 1 s, is
// sent a PING at once, and is suspect when it has not been heard half a second
// later: at most 2.5 s after its last byte. Queue groups pass a suspect by while
// another member is not, until it is heard again. Such a member costs a PING each
// 1.5 s while it works and says nothing itself.
//
// # Handshake
//
// A connection whose first operation, whichever it is, is not complete within
// HandshakeTimeout is closed without a word, whatever it has sent. Until then it
// costs what every idle connection does, some 5 KiB when thousands come at once,
// and a buffer of up to four times what it has sent, at most four times
// MaxControlLine or twice the message it has announced, which counts against the
// memory budget.
//
// # Memory
//
// What all clients make the broker hold is kept within MemoryBudget: output that
// waits, by the capacity of its buffers; input whose rest has not come;
// subscriptions, by an estimate; cached routes. When it is exceeded the greediest
// is closed, without a word, then the next, until an eighth of the budget is
// free. The greediest is who holds most; a client that was heard, or whose socket
// took something, in the last 50 ms counts with an eighth of what it holds; of
// equals the younger goes first. From half the budget on publishers are held back
// for consumers more than 128 KiB behind, and while much is on its way back from
// clients that had to go, those who have just taken more wait up to 10 ms.
//
// Outside the budget is what idle connections cost, and a read buffer of 128 KiB
// and up to 16 MiB staged for each publisher that is at work at the moment. A
// program that is nothing but a broker gives Broker.MemoryLimit to
// debug.SetMemoryLimit again and again, as vigil broker does; without it garbage
// comes on top.
//
// # Slow consumers
//
// What a client's socket does not take waits in its outbox. Above a mark of
// 4 MiB, or half of MaxPending if that is less, those who publish to the client
// are held back, 10 ms per batch at most, as long as it takes anything at all;
// for one that has taken nothing for 50 ms nobody waits, or for twice the longest
// pause, up to 1 s, of one that is known to drain in steps. A client is closed as
// a slow consumer, without a word, when more than MaxPending waits or when its
// socket takes nothing for WriteDeadline. Others get every message.
//
// # Lame duck
//
// LameDuck moves the clients of a broker that is to stop to others, one by one.
// It stops listening and sends an INFO with ldm to the clients of protocol 1 that
// had their first PONG; the others would not understand it. All are served as
// before. After LameDuckGrace they are closed behind what is queued for them, in
// random order and at most a second apart, so that the last goes before
// LameDuckDuration has passed. A broker without clients stops at once.
//
// # Monitoring
//
// With a MonitorPort the broker answers GET and HEAD on it, in nats-server's
// paths, fields and types, so that its tools work:
//
//	/          links to the others
//	/healthz   200, or 500 when no clients are taken: lame duck
//	/varz      the broker: limits, memory, processor, counters
//	/connz     connections; sort, limit, offset, subs=1|detail, cid, acc, user,
//	           state=open|closed|all: the last 10,000 that have ended, and why
//	/subsz     subscriptions, also /subscriptionsz; subs=1, test=subject,
//	           limit, offset, acc
//	/routez /gatewayz /leafz   empty, since tools ask for them
//
// Nothing can be changed there. It listens on 127.0.0.1 unless MonitorHost says
// otherwise, and whoever reaches it sees every client's address, name and
// subjects. An answer lists 65,536 connections or subscriptions at most, and
// ends at 32 MiB; 64 connections are served at once, and one answer is made at a time.
//
// The counters of messages and bytes lag by the batches in progress: they cost
// two additions per batch and destination. Bytes are those of headers and
// payloads. What nats-server tells about its cache of subjects is 0. Of a
// connection that has ended 16 subscriptions, 1 KiB of subjects and 256 bytes of
// its name are kept.
//
// # Limits
//
//	connections                 MaxConnections; 256 more while being turned away
//	everything together         MemoryBudget
//	tokens of a subscription    MaxSubTokens; none by default
//	first operation             HandshakeTimeout
//	subscriptions               MaxSubscriptions, per connection; none by default
//	control line, message       MaxControlLine, MaxPayload
//	input held                  one read buffer of 128 KiB, or twice the message
//	                            whose rest is to come; nothing while idle
//	output held                 MaxPending per client, and 16 MiB staged by each
//	                            publisher while it routes a batch
//	routes cached               1 MiB per publisher
//	last words                  1 s to read an -ERR, or the rest behind an end of
//	                            the input
//
// # Differences from nats-server
//
// On purpose, all in broken input: a carriage return inside an argument closes
// the connection, and so do more blanks before the arguments than a control
// line may have. There is no authentication, TLS, clustering or
// JetStream. Transcripts in testdata are played against both.
package broker
