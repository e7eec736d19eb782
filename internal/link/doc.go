// Package link is one connection to a NATS broker that heals itself: the part
// that the subscriber and the publisher share.
//
// It notices within the heartbeat's bound that the broker is gone, says why on
// what evidence, reconnects for ever, restores the subscriptions, says from
// when to when it was deaf, and accounts for every message it was given.
//
// # States
//
//	              Connect fails
//	Connecting ───────────────────────────────► Closed
//	    │ PONG behind the SUBs                    ▲
//	    ▼            a probe is overdue           │ Close, from
//	Connected ◄──────────────────────────► Suspect│ any state
//	    │      any byte is heard              │   │
//	    │ FIN, RST, -ERR, garbage,            │ verdict, or as
//	    │ lame duck                           │ from Connected
//	    ▼                                     ▼
//	Reconnecting ◄────────────────────────────┘
//	    │ PONG behind the SUBs
//	    └──────────► Connected
//
// Only the user closes a link. A connection counts as established when the PONG
// has come that stands behind CONNECT and every SUB, and never earlier: until
// then nobody could say that the subscriptions are in effect.
//
// # Files
//
// What decides takes the time and returns what to do: backoff (when to try),
// pool (whom), classify (why nobody answers), ledger (what is confirmed),
// outQueue (what is to be sent, and what of it survives a loss), registry (what
// to restore), inbox (what was read), arrival (since when it may have lain there),
// gap (whether the network makes the silence), routed and mutual (what the broker
// does and hears). What acts is thin: open, socket, greet, tls, identity, reader,
// writer, watcher, standby, move, supervise.
//
// # Goroutines
//
//	goroutine    started by    ends with              waited for by
//	events       Connect       the Closed event       Close
//	supervisor   Connect       Close                  Close
//	dials        an attempt    the first's answer     the attempt
//	standbys     a suspicion   its end                the supervisor
//	move         a lame duck   the overlap's end      the supervisor
//	reader       an attempt    its connection's loss  the attempt, the supervisor
//	writer       attach        its connection's loss  the supervisor
//	watcher      attach        its connection's loss  the supervisor
//
// The reader blocks in Read and the writer in Write, and neither holds a lock
// there. The watcher blocks in nothing but its timer. What it needs is an atomic
// (when the last byte came) and mu, which nobody keeps for longer than some
// memory operations. So the verdict comes on time while the socket is full, the
// writer is stuck in it and every publisher waits; and Status answers at once.
// The first of the three to give the connection up closes the socket, which ends
// the other two, and the supervisor accounts for it when they have ended.
//
// # Doubt
//
// What is heard is life, and nothing that is sent. The heartbeat asks after
// silence; the watcher also has it ask at once when the kernel sends something
// again that nobody acknowledges, or when the network reports the broker
// unreachable: hints, and no verdicts. It looks at TCP with each probe, and half way
// to the first if something is under way; when it suspects and when it condemns that
// says why: see Cause.
//
//	the verdict rests on                       found by                  cause
//	no byte, and the heartbeat's probes        the heartbeat             HostGone, Frozen,
//	                                                                     NotReading, Stale
//	bytes, and PINGs that TCP cannot deliver   TCP_INFO                  Unheard
//	bytes, and the broker's own word           mutual hearing            Unheard
//	bytes, and none that can be read           TCP_INFO                  Stalled
//	PONGs, and messages that do not come back  Config.RoutedProbe        NotDelivering
//	end of stream, reset, -ERR, garbage        the reader and the writer the others
//
// Behind a proxy or a load balancer it is its kernel that TCP speaks of: a broker
// that vanished behind one looks Frozen.
//
// A suspected broker gives rise to a standby: connections to the same server and
// to the next one, greeted but with no subscription. If the verdict is death,
// the first that was answered takes over, and the subscriptions are restored in
// one round trip; if the broker is heard again, nobody is told.
//
// A broker that announces its end, a lame duck, is left for another one without
// a deaf window: see move.go.
//
// A PONG that waits behind other bytes of the broker is no death:
// Status.PongAge tells how long it does. Nor is it one when the network makes a
// silence, in which what comes waits in the kernel for a segment that was lost:
// see gap.go. This process or the whole machine may have stood still, or a
// consumer may have held the reader: then the heartbeat starts afresh, for who
// did not read has no evidence of silence. What a held reader finds may have
// come at any time since it was held, and the deaf window begins there.
//
// # TLS
//
// The layers of a connection:
//
//	reader, writer    the protocol          conn.stream
//	crypto/tls        once it is demanded   conn.tls
//	socket            what is life, and what is only a hint
//	net.Conn          Dial, TCP_INFO, Close conn.nc
//
// Life is heard below TLS: a record of 16 KiB may take seconds to be complete.
// Hints end below it as well, since crypto/tls does not go on after an error. A
// connection is given up by closing its net.Conn, without TLS's goodbye, which
// would wait for room in the socket. A message of which TLS wrote the last
// record in part counts as kept: nobody can decrypt that.
//
// TLS once demanded is never left again: see tls.go for by whom it is, and for
// what is believed of what comes before it.
//
// # Locks
//
//  1. Link.mu: state, subscriptions, the out queue, the connection's ledger.
//  2. eventHub.mu: the queues of events. Taken under Link.mu in attach and
//     tellDropped; never the other way round.
//
// Neither is held over I/O, over a callback or while waiting. Whoever waits, for
// room, for a state or for a PONG, waits on a channel.
//
// # The way of a message
//
// Publish appends to the out queue, whose chunks of at most 256 KiB hold whole
// operations. The writer takes one chunk at a time. Before it, and so between
// two operations, goes what cannot wait: the heartbeat's PING and the PONGs
// owed. When a chunk is taken, the ledger notes its messages as handed over and
// its PINGs as waiting, in the order in which they go onto the wire. Each PONG
// confirms what its PING stood behind. The writer adds a PING by itself after
// 1 MiB, and the watcher asks for one when messages are unconfirmed and the
// heartbeat has nothing to ask because other bytes keep coming.
//
// When the connection is lost, each message has one of these fates:
//
//   - confirmed: a PONG came behind it;
//   - unconfirmed: the socket took its last byte and no PONG came. The broker
//     may or may not have it. It is counted, told with Lost and Resumed, and sent
//     again with Config.Resend alone;
//   - kept: the socket did not take its last byte, so nobody can have understood
//     it. It is sent whole on the next connection, in order, behind the
//     subscriptions and before what is published later.
//
// While there is no connection Publish appends to the same queue, under another
// bound, and fails when that is reached. SUB, UNSUB and PING are not kept: the
// registry says what to subscribe, and a Flush that waits is told of the loss.
//
// # Coming back
//
// Waits between attempts are random and grow to RetryCap. A wait counts from the
// start of the attempt before, so that an attempt which nobody answers for two
// seconds is followed by the next one at once. Within an attempt another dial is
// started each 250 ms as long as nothing is heard of the host. So a host that
// was gone is found within 250 ms of its return, and one that refuses, because
// its broker is not up yet, within RetryCap.
//
// # Sources
//
// The NATS client protocol, as nats-server 2.15 speaks it. TLS 1.2 and 1.3 as
// crypto/tls has them, RFC 5246 and 8446. Full jitter: M.
// Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. The
// fates of a message during a loss, and what goes wrong when they are mixed up,
// are from the bug reports of other clients: half-written operations replayed,
// new messages overtaking kept ones, "connected" told before the subscriptions
// are restored.
package link
