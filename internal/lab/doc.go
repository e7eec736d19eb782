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
