// Package wire is the NATS client protocol as bytes: one codec for both ends.
//
// A broker and its clients exchange operations over one ordered byte stream.
// An operation is a control line, ended by CRLF (a lone LF is accepted), and
// for messages a payload, ended by exactly CRLF:
//
//	broker to client            client to broker
//	INFO {json}                 CONNECT {json}
//	MSG  subject sid [reply] n  PUB  subject [reply] n
//	HMSG subject sid [reply]    HPUB subject [reply]
//	     header total                header total
//	PING, PONG                  SUB subject [queue] sid
//	+OK, -ERR 'text'            UNSUB sid [max]
//	                            PING, PONG
//
// # Reading
//
// A [Parser] cuts the stream into operations. It works in place: the caller
// hands it whatever bytes have arrived, and the slices of the [Op] it fills
// alias them. Nothing is allocated and nothing is copied.
//
//	for {
//		n, err := parser.Next(buf, &op)
//		if err != nil { … }       // the stream cannot be read any further
//		if n == 0 { break }       // incomplete: read more behind buf, ask again
//		buf = buf[n:]
//		if op.Kind != wire.None { handle(&op) }
//	}
//
// The stream may be cut anywhere: any division of the same bytes into reads
// gives the same operations and the same error. A wrong name, a wrong byte
// behind a payload and a line that is too long are found at the first wrong
// byte, wrong arguments at the end of their line. That is checked by fuzzing.
//
// # Mutual hearing
//
// An extension between Vigil's broker and Vigil's clients: each learns when the
// other last heard it, so that a way that is cut in one direction can be told
// from a peer that is gone. The idea is that of RFC 5880, where each end says
// what it receives. The broker offers it with mutual in INFO, the client accepts
// with mutual_ms in CONNECT; neither disturbs peers that do not know it, and
// without both nothing below is sent.
//
//   - A PING may carry how many milliseconds ago its sender last heard the other
//     end: "PING 2310". [AppendPing], [ParsePing].
//   - The broker sends such a PING when it has heard nothing for mutual_ms, and
//     again each mutual_ms. A client that has sent something meanwhile and is
//     not heard knows that the way to the broker is cut.
//   - A client that connects again names its old connection with was in CONNECT.
//     If the broker still knows it, an INFO with was_heard_ms follows, before
//     the next PONG. A client which got no answer to what the broker did hear
//     knows that the way from the broker was cut.
//
// # Writing
//
// The Append functions append an operation to a slice. They do not check what
// they are given; subjects, replies, queue names and headers that come from a
// program's user are to be checked first, with package subject and
// [Header.Check], since a blank or a line end in one of them would be read as
// protocol at the other end.
//
// # Source
//
// The grammar and the limits are those of nats-server 2.15, which accepts more
// than the published protocol page tells. Three things are stricter here, since
// nobody sends them and they would be read differently at the other end: a line
// feed always ends a control line, also right behind an operation's blanks; a
// carriage return inside an argument is an error; and the blanks behind an
// operation's name are limited like the arguments.
package wire
