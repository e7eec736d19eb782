// Package udp watches a peer by datagrams: a [Prober] asks with the Detectors of
// package heartbeat, and a [Responder] answers.
//
//	// at the peer
//	conn, err := net.ListenPacket("udp", ":7007")
//	err = udp.Responder{}.Serve(ctx, conn)
//
//	// where it is to be watched
//	conn, err := net.Dial("udp", "peer:7007")
//	err = udp.Prober{}.Watch(ctx, conn)
//	if dead, ok := errors.AsType[*udp.DeadError](err); ok {
//		log.Print(dead) // udp: peer:7007 is dead: silent for 1.8 s, 12 probes unanswered
//	}
//
// Over TCP a lost packet holds up everything behind it, and how late an answer
// may be depends on timers of the kernel. Datagrams are lost one by one, so that
// what [heartbeat.Objective] promises for them follows from the share that is
// lost alone. At 10 % loss each way the default finds a dead peer within two
// seconds, and gave a living one up not once in 30 simulated days. The price is that a datagram
// says nothing about connections: it is the host and the responding process that
// live, and not whatever else runs there.
//
// # The protocol
//
// A probe and its answer are datagrams of 16 bytes each:
//
//	"VHB?" nonce    from the prober
//	"VHB!" nonce    from the responder, with the nonce of the probe
//
// The nonce is 12 bytes, drawn at random for each probe. An answer with a nonce
// that is not waited for is nobody's: who cannot read the probes cannot feign a
// life. Who can read them, can; this is no authentication.
//
// # What a Responder gives away
//
// It never answers with more bytes than it was sent, and answers one address only
// so often, so that it is of no use for flooding somebody whose address was
// forged. It keeps no state but that rate, in a table of fixed size, and takes
// nothing but well-formed probes for one.
package udp
