// Package memnet is a TCP-like network in memory, for tests in testing/synctest
// bubbles.
//
// It exists because the two obvious choices do not serve there. A goroutine that
// waits on a real socket is not durably blocked, so the fake clock of a bubble
// stands still. And net.Pipe has no buffer: a Write waits for its Read, which no
// kernel does, and which hides exactly the faults that matter here, those where
// a Write succeeds although nobody will ever read it.
//
//	synctest.Test(t, func(t *testing.T) {
//		n := memnet.New()
//		l, err := n.Listen("broker:4222")
//		...
//		c, err := n.DialContext(ctx, "tcp", "broker:4222")
//		...
//		n.Vanish("broker:4222") // no FIN: c now waits for ever, as a real one would
//	})
//
// A Network is made, and all its methods are called, inside one bubble. It also
// works outside of one, on the real clock. It starts no goroutine: what takes
// time hangs on timers, and who waits does so on a sync.Cond, which a bubble
// takes for durably blocked.
//
// # What behaves as TCP does
//
// Each direction of a connection has a bounded buffer (64 KiB, see SetBuffer). A
// Write returns when the buffer has taken all of it, whether or not anyone reads.
// Close lets the peer read what is left and then io.EOF; CloseWrite does so for
// one direction. Close resets the connection after SetLinger(0), and when bytes
// are left unread, which are lost (RFC 2525, 2.17). Whoever sends to a socket that
// is closed is answered by a reset, too. Read reports a reset as ECONNRESET, after
// the bytes that came before it, and Write does at once. Deadlines, use after Close and refused
// dials give the errors of package net, wrapped in a *net.OpError. Unlike Linux,
// an error stays: a second Read after a reset gives ECONNRESET again.
//
// # Faults
//
// A fault concerns one address, that of a listener, and with it every connection
// to it. To harm one connection alone, name the client's end, its LocalAddr.
//
//	Cut, CutTo, CutFrom   Packets are held, both ways or one. Nobody sees
//	                      anything, dials wait. Writes fill the buffer, and so
//	                      they do if only the acknowledgements cannot come back.
//	Heal                  Ends the cuts. What was held arrives, in order, at once:
//	                      it was late, not lost.
//	Vanish                The host is gone with all its state and without a FIN.
//	                      Its own ends are closed without a trace; the other ends
//	                      hang, dials wait. Listen brings the host back; as it
//	                      remembers nothing, it answers old connections by a reset
//	                      as soon as something of theirs reaches it, be it what
//	                      they had sent in vain or what they write next.
//	Freeze                The process is stopped, the kernel is not: dials succeed
//	                      and are never served, bytes are taken while there is
//	                      room. Read, Write and Accept at the frozen end return
//	                      nothing, not even a timeout, until Thaw. What such an
//	                      end closes is closed for the peer after Thaw.
//	Delay                 Every packet takes so much longer, each way. The order
//	                      stays.
//
// Freeze cannot stop the goroutines of the process under test. They go on until
// they touch the network, and their timers fire.
package memnet
