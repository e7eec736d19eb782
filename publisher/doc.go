// Package publisher publishes messages and requests over a NATS broker, and
// never loses one without saying so.
//
//	pub, err := publisher.Connect(ctx, "nats://127.0.0.1:4222", publisher.Config{
//		OnEvent: func(e publisher.Event) { log.Print(e) },
//	})
//	…
//	defer pub.Close()
//	if err := pub.Publish(ctx, "orders.new", data); err != nil { … }
//	reply, err := pub.Request(ctx, "price.of", []byte("apples"))
//
// It works with Vigil's broker and with any other NATS server or cluster. Its
// heartbeat notices within 2 s by default that the broker is gone, also while
// every Publish waits for a socket that takes nothing any more; it then
// reconnects for ever. Package subscriber tells more about events and causes.
//
// # The fate of a message
//
// A nil error of Publish means: taken. From there a message is
//
//   - queued, until it is its turn on the connection. There is room for
//     Config.OutBuffer while connected, and Publish waits for it; and for
//     Config.AwayBuffer while there is no connection, and Publish fails with
//     ErrAwayBufferFull beyond it. Queued messages survive a loss: they are sent
//     with the next connection, in order and before later ones;
//   - then handed to the connection, and unconfirmed until the broker has
//     answered a PING behind it, which happens at least once per heartbeat's
//     Idle. If the connection is lost before, nobody knows whether the broker
//     got it. It is not sent again; Event.Unconfirmed of the Lost and the Resumed
//     event counts these messages;
//   - then confirmed: the broker got it and has routed it to whoever was
//     subscribed. Flush waits for that. What was then still on its way from the
//     broker to a subscriber dies with the broker; it lies in the deaf window
//     that a subscriber of package subscriber reports.
//
// A broker that was frozen and not dead may work through what it had received
// once it goes on, beside the new connection: unconfirmed messages can then
// arrive behind later ones.
//
// # Who may listen in
//
// Config.Auth says who the client is: see package auth. A tls:// URL, Config.TLS
// or a broker that demands it brings TLS, and then no connection is in plain text
// again.
//
// # What is refused
//
// Subjects, replies and headers that could not be sent, or would be read as
// something else at the other end, are refused before they reach the
// connection: ErrBadSubject, ErrBadHeader. So is a message that is larger than
// the broker takes: *PayloadError.
package publisher
