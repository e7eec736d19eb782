package brokertest

import (
	"testing"
	"time"

	"vigil/internal/front"
)

// faults are what can be made to a broker, which is to all its clients, and to one.
//
// Faults that happen to a connection at once (Crash, Kill, Reset, CutAt) fail the test
// when the client is not connected; the lasting ones wait for it.
type faults struct {
	f     *front.Front
	scope front.Scope
}

// Crash makes the broker vanish as a host that loses power does: no FIN, no RST. Its
// clients' sockets stay open, and nothing comes any more. New ones are accepted and
// met by silence; with Config.DropPackets they get no answer at all. [Broker.Restart]
// undoes it. On a client it is this client's connection that is lost, until Heal.
func (s *faults) Crash(t testing.TB) {
	t.Helper()
	made(t, s.f.Crash(s.scope))
}

// Kill ends the broker as SIGKILL does: the kernel closes its connections with a FIN,
// and refuses dials, until [Broker.Restart]. On a client its connections are closed.
func (s *faults) Kill(t testing.TB) {
	t.Helper()
	made(t, s.f.Kill(s.scope))
}

// Reset ends the connections with a RST. There is nothing to undo.
func (s *faults) Reset(t testing.TB) {
	t.Helper()
	made(t, s.f.Reset(s.scope))
}

// Freeze stops the broker as SIGSTOP does: bytes and dials are taken, and nothing is
// answered, until Thaw. The broker's clock goes on; what it does is seen after Thaw.
func (s *faults) Freeze(t testing.TB) {
	t.Helper()
	made(t, s.f.Freeze(s.scope))
}

// Thaw ends Freeze.
func (s *faults) Thaw(t testing.TB) {
	t.Helper()
	made(t, s.f.Thaw(s.scope))
}

// BlackHole swallows bytes in one direction or both, with the connections open, until
// Heal. Then they arrive late, as they do when TCP has sent them again.
func (s *faults) BlackHole(t testing.TB, d Direction) {
	t.Helper()
	made(t, s.f.BlackHole(s.scope, d))
}

// Latency makes every byte take d longer, each way; 0 ends it, and so does Heal.
func (s *faults) Latency(t testing.TB, d time.Duration) {
	t.Helper()
	made(t, s.f.Latency(s.scope, d))
}

// Bandwidth lets bytesPerSecond pass, each way on each connection; 0 ends it, and so
// does Heal.
func (s *faults) Bandwidth(t testing.TB, bytesPerSecond int) {
	t.Helper()
	made(t, s.f.Bandwidth(s.scope, bytesPerSecond))
}

// SlowReader has clients take no more than bytesPerSecond from the broker, in which
// the rest waits until it calls them slow consumers; 0 ends it, and so does Heal.
func (s *faults) SlowReader(t testing.TB, bytesPerSecond int) {
	t.Helper()
	made(t, s.f.SlowReader(s.scope, bytesPerSecond))
}

// CutAt cuts each connection there is when exactly n more bytes of the broker's have
// reached the client, in the middle of a frame if it so happens. A FIN follows. Connections
// that come later are not cut.
func (s *faults) CutAt(t testing.TB, n int64) {
	t.Helper()
	made(t, s.f.CutAt(s.scope, n))
}

// Heal ends BlackHole, Latency, Bandwidth and SlowReader; on a broker RefuseConnects
// and AcceptAndSayNothing, too. On a client it resets what Crash has left of its
// connections. It does not thaw, and does not end what was made to another scope.
func (s *faults) Heal(t testing.TB) {
	t.Helper()
	made(t, s.f.Heal(s.scope))
}

// made fails the test if a fault could not be made: an error of the test's own.
func made(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("brokertest: %v", err)
	}
}
