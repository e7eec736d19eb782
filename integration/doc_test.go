// Package integration_test rebuilds the incident that Vigil cures, and its
// relatives, with real processes, real sockets and real kills: brokers in child
// processes of their own, on hosts that vanish without a FIN (package fault),
// against Vigil's clients, nats.go, and the two programs as users run them.
//
// Everything runs in network namespaces of its own: as root, or without root in
// a user namespace. Where the kernel allows neither, what needs dropped packets
// is skipped and says so; with VIGIL_REQUIRE_NAMESPACES set it fails instead.
//
//	go test ./integration           about a minute and a half
//	go test ./integration -long     five times the crashes in a row, also behind a proxy
package integration_test
