// Package fault makes the host of a broker vanish for real, so that what is
// said about detection can be measured and not merely believed.
//
// # The incident
//
// When a process dies its kernel closes its connections, and the peers get a
// FIN or a RST: that is no incident. The incident is the host that dies with
// everything on it. Nothing arrives any more, what is sent stays
// unacknowledged, and a client that only listens waits for ever. To make it,
// the packets have to be dropped first and the process killed afterwards: then
// the FIN is lost.
//
// # Modes
//
// A Site is a place for a broker that can vanish and return. It has two modes,
// and every result must say which one made it:
//
//	what happens                      packets-dropped           proxy
//	the process is killed (control)   FIN or RST                FIN or RST
//	Vanish: what the client gets      nothing                   nothing
//	... what it sends is              unacknowledged            acknowledged
//	... keep-alive, TCP_USER_TIMEOUT  see the death             see a living host
//	... a new dial                    times out                 succeeds, then silence
//	Return: an old connection         RST to its next packet    silence for ever
//	... a new dial, nobody started    refused                   accepted, then RST
//	Cut one way, Mend                 packets late              bytes late
//	Process.Freeze                    acknowledged silence      acknowledged silence
//
// Best picks packets-dropped where it works. Mode.Limits is the sentence for
// the report.
//
// # Faults
//
// Most of what goes wrong is not a host that is gone at once. Each fault has
// begun when its call returns, and can be undone; they add up, in any order. What
// happens to packets needs a Host, which in packets-dropped mode a Site has; a
// Host is as good for a client process as for a broker, and Host.Switch makes
// more of them beside it, also behind a Router.
//
//	what goes wrong                         begun by               ended by
//	packets cut, one way or both            Site.Cut, Host.Drop    Mend, Heal
//	FIN or RST lost, the host alive         Host.DropFlags         Heal
//	frames lost at random                   Host.Impair, Loss      Impair
//	long frames lost, and nobody told       Host.Impair, MTU       Impair
//	a narrow link with a bounded queue      Host.Impair, Rate      Impair
//	delay, jitter, overtaking               Host.Impair, Delay     Impair
//	a NAT forgets the mapping: both ends
//	  open, nothing passes                  Router.Evict           (a new dial)
//	... after some idle time                Router.EvictIdle       EvictIdle(0)
//	ICMP "host unreachable"                 Router.Reject          Reject(0)
//	RST injected, both ends                 Host.Reset             (a new dial)
//	the process stops, its kernel answers   Process.Freeze, Pause  Thaw
//	zero window                             Freeze, and a flood    Thaw
//	no processor time                       Process.Starve         End
//
//	host, err := site.Host()
//	...
//	err = host.Impair(fault.Both, fault.Impairment{Loss: 0.05, Delay: 40 * time.Millisecond})
//
// Host.Traffic counts what passes and Host.Dropped what does not.
//
// Loss is a rule of a packet filter and a rate a token bucket filter, at either
// end of the host's link; neither costs a frame any time. Linux can delay frames,
// too, but few kernels are built so: while a direction is delayed a relay in this
// process carries the frames between the host and the switch by packet sockets.
// It adds about 0.1 ms each way, and more when this process gets no processor.
// What it holds is bounded.
//
// Where frames are lost or delayed, segments are cut to the size of a frame when
// they are sent, so that a loss is that of one frame. On other links the kernel
// passes up to 64 KiB at once, which is ten times faster and counts as one.
//
// # Topology of packets-dropped
//
//	 network namespace of        anonymous namespace       anonymous namespace
//	 this process: the           S, the switch             of host 2
//	 clients' host
//	┌──────────────────┐        ┌───────────────────┐     ┌──────────────────┐
//	│ subscribers,     │        │ pc ── br0 ── p2   │     │ the broker       │
//	│ publishers, lab  │  veth  │        │     ×    │veth │                  │
//	│ vc 10.77.0.1/24 ─┼────────┼─       │    ──────┼─────┼─ eth0 10.77.0.2  │
//	└──────────────────┘        │        p3 ────────┼──┐  └──────────────────┘
//	                            └───────────────────┘  └─ eth0 10.77.0.3 ...
//
// Drops are made at × by nftables on the forward hook of the bridge family:
// FromHost is what comes in by p2, ToHost what would go out by it. A host behind
// a Router has the router's namespace at p2, and its own behind that. The links
// stay up on both sides, as with a switch in a machine room, and each rule
// counts. Addresses, hardware addresses and neighbours are fixed and IPv6 is
// off, so nothing waits for ARP or for address detection: a host can be reached
// when NewHost returns, and a host cut off is silent, not "unreachable".
//
// Host.Reboot destroys the old host's link before it makes the new one, and
// only then lets packets pass: nothing of the old host can leak.
//
// # How a process comes into a namespace
//
// RunIsolated starts the program again in a fresh network namespace, as root or
// in a user namespace of its own; in there it is free to make links and hosts.
// A thread that makes or visits another namespace is locked meanwhile and goes
// home afterwards, or dies. No "ip" binary, no /run/netns, nothing to install.
//
//	func TestMain(m *testing.M) { os.Exit(fault.RunIsolated(m.Run)) }
//
// Fuzz workers are isolated with their coordinator. What is needed: Linux with
// network namespaces, virtual links, bridges and nftables' bridge family. If
// something is missing the error is an *UnsupportedError with the reason. Loss
// takes nftables' numgen, a rate the tbf queue, a delay packet sockets, a router
// connection tracking and NAT, Reset the destruction of sockets, and Starve
// control groups and root: each fails alone with an *UnsupportedError.
//
// # Nothing is left behind
//
//   - Close of a Site, Host, Switch or Proxy kills and reaps, and waits for its
//     goroutines.
//   - Namespaces have no names: they go when the last descriptor and process
//     does, even after SIGKILL. Orphaned connections, which would hold one for a
//     minute or two, are destroyed with their host where the kernel can.
//   - A child has two lifelines: on Linux the kernel kills it when its parent
//     dies (the thread that forked it is kept for as long as it lives), and
//     everywhere its standard input ends, see ExitWithParent. A frozen child on
//     another system is the one that can be left.
//   - A control group of Starve goes with its process; that of a process killed
//     before it could clear up is taken away by the next Starve.
//   - The inner process of RunIsolated dies with the outer one.
package fault
