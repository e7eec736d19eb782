// Package front stands in front of a broker and plays what can happen to its
// host, to the network and to single clients.
//
//	client ═══ TCP, or memory ═══ front ═══ in-process connection ═══ broker
//	                              │
//	                              ├─ two paths a connection: held, late, slow, cut
//	                              ├─ two taps: what passed, for transcripts,
//	                              │  subscriptions and deliveries
//	                              └─ a gate: dials served, refused, or met by silence
//
// Clients dial the front. It has one address for its whole life, while the
// broker behind it is stopped and started. What has come and not yet passed waits
// in a path, which decides, told the time, what may go on; four goroutines a
// connection carry it.
//
// # Locks
//
// Front.mu guards all of it, and is not held over a read or write of a stream.
// The conditions of connections (sync.Cond) hang on it, so that in a
// testing/synctest bubble whoever waits is durably blocked.
//
// Errors carry no prefix of this package: those who call it put theirs.
//
// # What user space cannot show
//
// The kernel in front of the front goes on acknowledging: after Crash a client's
// writes succeed until buffers are full, keep-alive is answered, and dials are
// accepted and met by silence. With Config.DropPackets on Linux a filter on the
// front's own sockets drops the clients' packets in the kernel, which takes no
// privilege: nothing is acknowledged, and dials get no answer.
package front
