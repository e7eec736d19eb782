// Package subscriber receives messages from a NATS broker and is never silently
// deaf.
//
// A broker that vanishes without a FIN leaves its subscribers on connections
// which look healthy and deliver nothing, for hours. A Subscriber asks after
// some silence, knows within its heartbeat's bound (2 s by default) that nobody
// answers, says why it thinks so, reconnects for ever, subscribes again, and
// says from when to when it was deaf. It works with Vigil's broker and with any
// other NATS server or cluster.
//
//	sub, err := subscriber.Connect(ctx, "nats://127.0.0.1:4222", subscriber.Config{
//		OnEvent: func(e subscriber.Event) { log.Print(e) },
//	})
//	…
//	orders, err := sub.Subscribe("orders.>")
//	…
//	for msg, err := range orders.Messages(ctx) {
//		if err != nil {
//			return err
//		}
//		handle(msg.Subject, msg.Data)
//	}
//
// # What it tells
//
// Everything that happens to the connection is an [Event], given in order to
// Config.OnEvent, to Config.Logger and to every loop over Events. After a crash
// of the broker's host they read:
//
//	connected: nats://127.0.0.1:4222
//	suspect: nats://127.0.0.1:4222: silent for 1.20 s, 5 probes unanswered: looks like: host or network gone
//	lost: nats://127.0.0.1:4222: stale: host or network gone (last heard 1.80 s ago, 12 probes unanswered)
//	retrying: nats://127.0.0.1:4222: attempt 1 in 23 ms
//	resumed: nats://127.0.0.1:4222: deaf for 3.31 s, from 12:00:01.120 to 12:00:04.430
//
// A [Loss] carries a [Cause] with its evidence. On Linux the kernel is asked
// whether it still gets acknowledgements (TCP_INFO), which tells a host that is
// gone from a process that is frozen; elsewhere, and where nothing else can be
// known, the cause is CauseStale. Behind a proxy it is the proxy's kernel that
// acknowledges.
//
// # What it promises
//
//   - Any byte from the broker is life. That a PONG is late behind messages on a
//     congested link is no silence; on Linux neither is one that the link itself
//     makes, for twice the bound: what comes cannot be read because a packet before
//     it was dropped, or PONGs were late already, and acknowledgements come.
//   - Core NATS delivers at most once. What is published during the deaf window
//     may be missed; Event.DeafFrom and DeafTo bound it, so that the application
//     can ask another source for that span. They are times of this end: what the
//     broker still held for a congested subscriber when it died, or what waited
//     behind a lost packet, was published earlier, by as much as the messages were
//     late, so ask for a little more.
//   - Resumed is told only after the broker has confirmed that every
//     subscription is in effect again.
//   - Messages of one subscription come in the order in which the broker sent
//     them.
//   - Nothing is dropped silently. What was dropped for want of room is counted
//     in [Stats], and every such message is told with an EventSlowConsumer.
//
// # The end
//
// Close ends a Subscriber, and Drain does when everything was handled. So does,
// if they are set, the end of Config.Context, and a loss that lasted for
// Config.GiveUpAfter. Then what has arrived is still handed out, and every loop
// and call says why: errors.Is(err, ErrClosed), and beside it a [GaveUpError] or
// the context's cause. The last event is EventClosed, with the same reason.
//
// # Forms
//
//	in a loop       for msg, err := range s.Messages(ctx)
//	by a handler    SubscribeFunc, with Concurrency by several goroutines
//	from a channel  s.Channel(), for select
//	as values       Typed[T]{Subscription: s}, TypedFunc, with JSON or another Codec
//
// A subscription's options are Queue, MaxMessages, MaxPending, what to do when
// that is reached, DropRepeats, Concurrency and Reuse. A loop takes the messages
// of a subscription; several loops share them. With a handler there is nothing to
// take.
//
// # When the consumer is slow
//
// Between the connection and a consumer there is a queue, bounded in messages and
// bytes. When it is full
//
//	by default     reading pauses for a moment, so that the broker holds back a
//	               burst; if that does not help, the newest messages are dropped
//	DropNewest     the newest are dropped at once
//	DropOldest     the oldest are dropped at once
//	Block(d)       reading pauses for up to d, then the newest are dropped
//
// A pause is for all subscriptions of the connection: what is not read is not
// heard. By default it is at most a twelfth of the heartbeat's Bound in each
// sixth, and 200 ms, so that a broker that answers is heard in time whatever
// consumers do. With Block it is as long as told. In either case a pause of ours
// is no evidence against the broker: the heartbeat starts afresh behind it, and
// goes on sending meanwhile, so that the broker hears us.
//
// # Memory
//
// What waits lies in blocks that are used again; it takes some times the bytes
// that MaxPendingBytes counts at worst, when messages come one at a time and are
// much smaller than 256 bytes. A message that is handed out is its receiver's own.
// With the option Reuse it is valid only until the receiver is done with it, and
// nothing is left to the garbage collector. Figures of both, beside nats.go's:
//
//	vigil-lab bench --scenario client-receive,client-handler
//
// # Locks
//
// The connection's reader hands over once for all that a read brought; it takes
// the lock of each queue concerned, and wakes a consumer that waits. A consumer
// takes the lock for each message, which nobody else wants meanwhile.
//
// # Who may listen in
//
// Config.Auth says who the client is: see package auth. A tls:// URL, Config.TLS
// or a broker that demands it brings TLS, and then no connection is in plain text
// again, neither to another broker nor after a loss. What is wrong is an
// [AuthError] or a [TLSError], which say what to look at; the subscriber goes on
// trying, since credentials are renewed and brokers repaired.
//
// # Ending
//
// Drain ends without losing a message that the broker had sent, and returns when
// all are handled, or says how many are not; Close ends at once. A Subscription
// can be ended alone by its own Drain, by Unsubscribe, or with MaxMessages; its
// Done tells when all of its messages are handled.
package subscriber
