// Package heartbeat decides, from the silence of a connection, whether the
// peer behind it is gone.
//
// TCP does not tell. A peer that vanished without a FIN leaves a connection
// that looks healthy for hours: whoever only reads from it is silently deaf.
// The cure is to ask: after some silence send a probe that the peer must
// answer, and when several probes stay unanswered, call it dead.
//
// # Contract
//
// A [Detector] is told things and asked things. It never acts:
// it has no clock, no goroutine, no lock and no connection. The caller passes
// the time in, sends the probes it is asked for, and comes back in time:
//
//	d := heartbeat.NewSchedule(heartbeat.Within(2*time.Second), time.Now())
//	timer := time.NewTimer(time.Until(d.Next()))
//	for {
//		select {
//		case <-inbound: // any byte, whatever it says
//			d.Heard(time.Now())
//		case <-timer.C:
//			switch d.Step(time.Now()) {
//			case heartbeat.Probe:
//				sendPing() // must not block
//			case heartbeat.Dead:
//				return d.Evidence(time.Now())
//			}
//			timer.Reset(time.Until(d.Next()))
//		}
//	}
//
// The caller's duties:
//
//  1. Call Heard for every inbound byte, or at least once per read. Any byte
//     is life: a peer that is busy sending data need not also send a PONG on
//     time.
//  2. Never call Heard for anything outbound. A write that succeeded says that
//     the local kernel has room in a buffer, and nothing about the peer.
//  3. Call Step no later than half an Interval after Next. Calling it early is
//     harmless, so a timer need not be re-armed when Heard moves Next away; only
//     where [Config.Nearer] says so must it be.
//  4. Send the probe when told to, without waiting for anything, least of all
//     for a lock which a blocked write can hold.
//  5. Pass times that carry Go's monotonic reading, as time.Now returns them.
//
// # Time line
//
// With Within(2 * time.Second), that is Idle 900 ms, Interval 300 ms and
// Probes 3, a peer that vanishes right after its last byte is dead 1.8 s later:
//
//	0.0          0.9     1.2     1.5     1.8 s
//	 |            |       |       |       |
//	last byte   probe   probe   probe    Dead
//	 |-- Idle ----|- Int.-|- Int.-|- Int.-|
//	 |   alive            |    suspect    | dead
//
// With [Lesson], that is 10 s, 3 s and 3, it is dead 19 s after the last byte:
//
//	0           10      13      16      19 s
//	 |            |       |       |       |
//	last byte   probe   probe   probe    Dead
//
// The probes sit on a fixed schedule, LastHeard + Idle + k × Interval, not one
// Interval after whenever Step happened to be called: lateness does not add up
// and [Config.Bound] holds. Steps that are each late by less than half an
// Interval make the verdict late by less than half an Interval, all told.
// Within leaves room for that.
//
// An answer saves the peer as long as it comes before the verdict. Hence a
// round trip below 7/8 of Interval is never even suspected, and when Probes is
// two or more it never is a false alarm either. With Probes of one the round
// trip must stay below half an Interval, because the only probe may itself have
// been sent half an Interval late.
//
// # The burst
//
// Between the points of the schedule, an unanswered probe is followed by another
// each [Config.Burst], 75 ms by default, up to the verdict, which does not move.
// On a network that loses packets this is what keeps a promise of two seconds on
// TCP: a segment that is lost alone is sent again only when a timer of the kernel
// says so, after 200 ms, 400 ms and then twice as long each time, whereas one
// that is followed by others is missed by the receiver at once. Measured with
// 10 % of packets lost each way, of 16,000 probes 0.29 % were unanswered after
// 0.9 s without a burst, 0.11 % with one that began after an Interval, and 0.04 %
// with this one.
//
// Nothing is added while answers take less than a Burst.
//
// # Doubting oneself first
//
// When Step comes later than half an Interval after Next, it was this process
// that stopped: it was suspended, the laptop slept, the machine was starved.
// Answers may lie unread in the socket, and probes that should have been sent
// were not. The detector therefore doubts itself before the peer: it discards
// the unanswered probes, asks for one at once and starts a fresh round, whose
// verdict comes Probes × Interval after that Step.
//
//	0.0          0.9                        5.9     6.2     6.5     6.8 s
//	 |            |                          |       |       |       |
//	last byte   probe  (stopped for 5 s)   probe   probe   probe    Dead
//	                                       afresh
//
// The price: a process that is starved again and again, at every single Step,
// starts afresh every time and never reaches a verdict. That is chosen. Such a
// process cannot tell a dead peer from its own deafness, and a false alarm costs
// a healthy connection. Nothing is hidden: [Evidence] counts the pauses and
// keeps the largest lateness.
//
// # Which Method
//
// A [Method] is a way to judge a silence. All of them make Detectors with the
// contract above, doubt themselves first, and take any byte for life:
//
//   - [Config], the default: fixed times, from one figure with [Within]. It learns
//     nothing and can therefore be predicted: its Bound always holds.
//   - [Objective]: a contract of two figures, how soon a dead peer is to be known
//     and how often a living one may be given up. It measures the network, probes
//     as seldom as the contract allows, and says when the network cannot keep it.
//   - [Chen] and [Phi]: what the literature has, for comparison, and for a steady
//     load. They probe at a fixed rate whether or not bytes come.
//
// The measures of all of them, in models of networks with loss, delay, congestion
// and processes that stand still, are printed by "vigil-lab detectors".
//
// # Sources
//
// W. Chen, S. Toueg, M. K. Aguilera, "On the Quality of Service of Failure
// Detectors", IEEE Transactions on Computers 51(5), 2002: the fixed schedule
// (freshness points do not depend on when the last one was looked at) and the
// measures by which a detector is judged, detection time, mistake rate and
// mistake duration; the detector NFD-E, which is [Chen]; and the configurator,
// which is [Objective.Configure].
//
// N. Hayashibara, X. Défago, R. Yared, T. Katayama, "The φ Accrual Failure
// Detector", SRDS 2004: [Phi].
//
// RFC 6298 and RFC 8985, of which the first says when TCP sends again what is not
// acknowledged, and the second how later segments make it do so sooner: the
// reasons for the burst.
//
// RFC 5880, Bidirectional Forwarding Detection: an interval and a multiplier,
// and a detection time computed from both and known in advance.
//
// A. Dadgar, J. Phillips, J. Currey, "Lifeguard: Local Health Awareness for More
// Accurate Failure Detection", 2018: the slow one may be oneself.
package heartbeat
