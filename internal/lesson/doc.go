// Package lesson is the exercise that Vigil grew from: a client and a server that
// keep each other company over TCP, with the heartbeat that the lesson teaches. It
// speaks the lesson's own wire format, so that the C programs can be at either
// end, runs the lesson's two experiments, and answers its two questions with
// figures.
//
// # The lesson
//
// A message has 1028 bytes: 4 bytes of type, in network byte order, and 1024 of
// data. PING is 1 and PONG 2; TYPE1 and TYPE2, 11 and 21, stand for an
// application's own. After 10 s without a byte the client sends a PING, then two
// more 3 s apart, and 3 s after the third the connection is dead: 19 s behind the
// last byte heard. An answer starts all anew. The server sleeps before it answers.
// With 60 s the client gives it up; with 5 s it does not.
//
// # What is mended
//
//	in the lesson's programs                          here
//	PONG's type leaves in host byte order             in network order; both are understood
//	one read is taken for one message                 messages are cut from the stream: halves are
//	                                                  waited for, two in one read are two
//	any byte is taken for a PONG                      any byte is life, but only a PONG is told as
//	                                                  one; what is no message ends the connection
//	the server serves one client, once                as many as fit, side by side
//	its sleep delays all that comes behind the PING   it reads on; the PONG is sent when it is due
//	only the client asks                              the server asks clients that are silent, too
//	a peer that does not read holds a send for ever   a send has a deadline
//	the 1024 bytes of data are left uninitialised     they are zero
//
// The server waits for twice as long as the client, 20 s, before it asks: the C
// client takes the server's PING for a PONG and does not answer. A client that
// lives has sent a PING of its own by then. Its longest silence is the 10 s behind a
// PONG, and before them the s seconds for which that PONG was delayed: less than
// 19, since a client that waits for longer than 9 s gives up. One that has vanished
// is dead after 29 s.
//
// What decides, in both, is [heartbeat.Schedule] with [heartbeat.Lesson].
package lesson
