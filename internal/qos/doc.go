// Package qos measures the quality of service of failure detectors in virtual
// time: how soon they find a peer that has ended, how often they give up one
// that lives, and what they cost. Thirty days take a fraction of a second.
//
// The measures are those of Chen, Toueg and Aguilera, "On the Quality of Service
// of Failure Detectors", IEEE Transactions on Computers 51(5), 2002:
//
//	T_D   detection time, from the peer's end to the verdict
//	T_MR  mistake recurrence, from one false alarm to the next
//	T_M   mistake duration
//	λ_M   mistake rate, 1 / E(T_MR)
//	P_A   query accuracy, 1 - E(T_M) / E(T_MR)
//
// A [Model] is a network and the scheduling of the two processes at its ends, a
// [Detector] a contender. [Measure] plays the one against the other: a world of
// events, drawn from a generator whose seed is the only thing that is random, so
// that each figure can be had again. [Frontier] varies a detector's patience at
// an equal rate of heartbeats, which is how the literature compares.
//
// # How a mistake is counted
//
// A verdict on a peer that lives is a mistake. The connection is then replaced by
// another one, whose greeting is a probe, and the mistake lasts until a byte is
// heard on it; verdicts before that are part of the same mistake. A detector that
// learns passes on what it knows.
//
// # How near this is to a real network
//
// Datagrams are lost and delayed as the model says. The stream is a model of TCP
// on Linux that was checked against measurements on real sockets with dropped
// packets: see stream_test.go for both. Its tails are within a factor of six of
// what was measured, mostly below it, so that figures for streams with 10 % loss
// and more flatter all detectors alike. Timers are never late, other than by a
// pause of the whole process.
package qos
