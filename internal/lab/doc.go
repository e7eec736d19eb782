// Package lab rebuilds the ways in which a broker can vanish and measures who
// notices, when, and what it cost them.
//
// An [Incident] runs each broker as a process of its own on a host of its own
// (package fault), feeds it numbered messages, lets several subscribers, the
// contenders, listen, makes the host vanish, brings it back empty, and adds up
// for each contender what it noticed and what it missed:
//
//	feed ──► broker ──► vigil          defaults
//	           ╳        vigil-lesson   10 s, then three probes 3 s apart
//	        vanishes    nats.go        defaults
//	                    nats.go-1s     PingInterval 1 s, 2 outstanding
//	                    keepalive-go   a bare TCP connection as Go makes it
//
// A [Matrix] lets more contenders face more faults: every way in which a broker can
// vanish, and every way in which it only seems to. There a contender is a process
// on a host of its own, so that what happens to a link or a client happens to it
// alone:
//
//	           one trial: a fault, a broker, an activity
//	feed ──► broker ─┬─► contender ──┐ events, as lines
//	ear  ◄──  node   ├─► contender ──┼──► diary ──► protocol.judge ──► Cell
//	                 └─► program,    │
//	                     watched  ───┘
//
// The feed publishes numbers, the ear hears what contenders publish. A way says
// what happens, to the broker or to each contender, and whether it is right to
// give up the connection then. A dispatcher performs trials side by side as far
// as they do not disturb each other. What a contender reports, and what really
// happened and when, is added up by a pure function; what it says of itself is
// held against the messages that it got and did not get. A program of somebody's
// own, of which nothing is known, is judged by its host's table of connections.
//
// A [Queue] makes the host of one member of a queue group vanish, and counts the
// work that each broker goes on handing to it. [Idle] counts what an idle
// connection costs.
//
// Every figure is measured on the clock of the lab's own process, except those
// that would take longer than the run: they are computed from the contender's
// settings, and always marked so.
//
// The feed is no contender. It is told when the new broker is up and dials it
// at once, and it counts a message only when the broker has confirmed it, so
// that what a contender misses is its own doing.
package lab
