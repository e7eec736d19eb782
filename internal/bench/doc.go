// Package bench measures brokers under load, side by side.
//
// A [Bench] starts each contender anew for every round, as a process of its
// own, by turns, A B A B, so that what else the machine does hits all alike. A
// load generator in this process drives it over raw sockets:
//
//	publishers ──chunks──► contender ──deliveries──► subscribers ─► checker
//	     ▲                    │ │                                      │
//	     │                    │ └ its own processor time and memory    │
//	     └──────────────── window: published, not yet delivered ◄──────┘
//
// # What is measured
//
// The figure to trust is the contender's own processor time, user and system,
// for each delivered message, between the beginning and the end of a window in
// the middle of a round. It depends little on what else the machine does. The
// rate depends on that, and on the load generator, which shares the machine: it
// writes prepared chunks and compares what it reads with what is expected as
// blocks, so as to leave the processors to the contender.
//
// Each figure is the median of the rounds, with the least and the most.
//
// # What is checked
//
// Every byte that is delivered in a measured round is compared with what it
// must be, and all that was published must have arrived at the end (a tape).
// Before them, every contender of a scenario has a round that is not measured,
// in which messages have numbers: order, gaps and repetitions are checked for
// each subscriber (a ledger). Publishers keep within a window of what is not
// yet delivered, the same for all contenders, so that no broker has a reason to
// drop anything: a message that is lost is an error, and so is a flow that
// stands still for 10 s.
//
// # What the figures do not say
//
// Everything runs on one machine, over loopback. There the kernel does much of
// a receiver's work on the sender's account: a broker's time has that of its
// subscribers' sockets in it, and lacks some of its own. That is the same for
// all, and why the floor is not zero. The memory of a served broker has that of
// the lab's own program in it, a dozen MiB or two; the memory of a connection
// and of a subscription is a difference, and has not.
//
// # Contenders
//
// Brokers are known as a [Contender], a command to start and a protocol to
// speak, so that none is treated better than others. The relay ([ServeRelay])
// only reads from one connection and writes to another: the floor that no
// broker can pass, where the scenario is one publisher and one subscriber.
// Redis ([FindRedis]) takes part in what its publish/subscribe has.
//
// # Clients
//
// The scenarios of clients turn this round: the contender is a process that uses
// a client library, with a broker of the first contender between it and the load
// generator. Its own processor time is measured in the same way, and how often it
// allocates. It counts what it receives or publishes, and is asked for that over a
// connection of its own, a line for a line; a client that counts other than was
// sent is out. Latencies are the client's: from before it asks until it has the
// reply.
package bench
