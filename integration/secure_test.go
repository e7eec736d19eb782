package integration_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"vigil/internal/fault"
	"vigil/internal/pki"
	"vigil/publisher"
	"vigil/subscriber"
)

// secureBroker is a nats-server that demands TLS, with the files of its
// certificate and key behind it.
const secureBroker = "nats-server under TLS"

// secureName is whom the certificate is for.
const secureName = "broker.test"

// serveSecurely is what a child does that is to be a secureBroker. It ends when
// it is killed.
func serveSecurely(files []string, addr string) error {
	fault.ExitWithParent()
	cert, err := tls.LoadX509KeyPair(files[0], files[1])
	if err != nil {
		return err
	}
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{Host: host, Port: port, NoLog: true,
		TLS: true, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}})
	if err != nil {
		return err
	}
	go s.Start()
	if !s.ReadyForConnections(patience) {
		return fmt.Errorf("nats-server did not start at %s", addr)
	}
	fmt.Fprintf(os.Stdout, "nats://%s\n", s.Addr())
	s.WaitForShutdown()
	return nil
}

// The incident under TLS: an idle subscriber and a publisher that is stuck in a
// full socket both notice in time, TCP says why, and they come back under TLS.
func TestCrashUnderTLS(t *testing.T) {
	t.Parallel()
	ca := pki.New(t)
	cert, key := ca.Write(ca.Issue(secureName))
	h := newHost(t, fault.PacketsDropped, strings.Join([]string{secureBroker, cert, key}, "\n"))
	trust := &tls.Config{RootCAs: ca.Pool(), ServerName: secureName}
	idle := listen(t, h, subscriber.Config{TLS: trust})
	got := idle.collect(t, "numbers", "")
	f := startFeed(t, h, publisher.Config{TLS: trust, AwayBuffer: 256 << 20}, "other", 10, 10_000)
	vanished := h.vanish(t)
	lost := idle.diary.await(t, 0, subscriber.EventLost)
	checkNoticed(t, "idle", lost, vanished)
	checkCause(t, "idle", lost, subscriber.CauseHostGone)
	t.Logf("idle: %v", lost.Event)
	lost = f.diary.await(t, 0, subscriber.EventLost)
	// It may know earlier than the heartbeat's bound: TCP hints at it.
	if took := lost.told.Sub(vanished); took > promise+starvation.between(vanished, lost.told)+slack {
		t.Errorf("the feed noticed after %v", took)
	}
	checkCause(t, "feed", lost, subscriber.CauseHostGone)
	t.Logf("feed: %v", lost.Event)
	if queued := f.Status().Queued; queued.Bytes == 0 {
		t.Error("nothing waits for the socket: the writer was not stuck in it")
	}
	h.comeBack(t)
	idle.diary.await(t, 0, subscriber.EventResumed)
	f.diary.await(t, 0, subscriber.EventResumed)
	f.finish(t)
	if version := idle.Status().TLS; version == "" {
		t.Error("it came back in plain text")
	}
	pub, err := publisher.Connect(t.Context(), h.url(), publisher.Config{TLS: trust})
	must(t, err)
	defer func() { must(t, pub.Close()) }()
	must(t, pub.Publish(t.Context(), "numbers", []byte("7")))
	got.await(t, 7)
}

// A process that is stopped is told from a host that is gone, under TLS as well.
func TestFrozenUnderTLS(t *testing.T) {
	t.Parallel()
	ca := pki.New(t)
	cert, key := ca.Write(ca.Issue(secureName))
	h := newHost(t, onLoopback, strings.Join([]string{secureBroker, cert, key}, "\n"))
	l := listen(t, h, subscriber.Config{TLS: &tls.Config{RootCAs: ca.Pool(), ServerName: secureName}})
	must(t, h.proc.Freeze())
	frozen := time.Now()
	lost := l.diary.await(t, 0, subscriber.EventLost)
	checkNoticed(t, "subscriber", lost, frozen)
	checkCause(t, "subscriber", lost, subscriber.CauseFrozen)
	must(t, h.proc.Thaw())
	l.diary.await(t, 0, subscriber.EventResumed)
}
