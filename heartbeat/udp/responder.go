package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"vigil/heartbeat"
)

// Responder answers probes. The zero Responder has the defaults. It is read-only
// after use and may serve several sockets.
type Responder struct {
	// Rate is how many probes of one IP address are answered a second; 0 is
	// 1000, which is 58 kB a second as Ethernet frames. Probes beyond it look
	// lost. Probers behind one address, as behind a NAT, share it.
	Rate int

	// Burst is how many of them may come at once; 0 is 100.
	Burst int
}

// maxRate is more than a socket takes.
const maxRate = 1_000_000

func (r Responder) withDefaults() Responder {
	if r.Rate == 0 {
		r.Rate = 1000
	}
	if r.Burst == 0 {
		r.Burst = 100
	}
	return r
}

// Validate returns nil or a *heartbeat.ConfigError.
func (r Responder) Validate() error {
	r = r.withDefaults()
	switch {
	case r.Rate < 1 || r.Rate > maxRate:
		return &heartbeat.ConfigError{Field: "Rate", Reason: fmt.Sprintf("is %d, possible are 1 to %d", r.Rate, maxRate)}
	case r.Burst < 1 || r.Burst > maxRate:
		return &heartbeat.ConfigError{Field: "Burst", Reason: fmt.Sprintf("is %d, possible are 1 to %d", r.Burst, maxRate)}
	}
	return nil
}

// Serve answers probes on conn until ctx is done, whose error it then returns, or
// the socket fails. It does not close conn.
func (r Responder) Serve(ctx context.Context, conn net.PacketConn) error {
	if err := r.Validate(); err != nil {
		return err
	}
	r = r.withDefaults()
	l := newLimiter(r.Rate, r.Burst, time.Now())
	defer interruptReads(ctx, conn)()
	buf := make([]byte, packetSize+1) // one more tells what is too long
	out := make([]byte, 0, packetSize)
	for {
		n, addr, err := conn.ReadFrom(buf)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if passing(err) {
				continue
			}
			return fmt.Errorf("udp: read a probe on %v: %w", conn.LocalAddr(), err)
		}
		id, ok := parseProbe(buf[:n])
		if !ok || !l.allow(ipOf(addr), time.Now()) {
			continue
		}
		// What cannot be sent is lost, as it might have been on its way.
		_, _ = conn.WriteTo(appendAnswer(out[:0], id), addr)
	}
}

// ipOf returns the address without the port; all that are no IP address share
// one.
func ipOf(addr net.Addr) netip.Addr {
	if a, ok := addr.(*net.UDPAddr); ok {
		return a.AddrPort().Addr()
	}
	return netip.Addr{}
}

// reader is what interruptReads needs of a socket.
type reader interface{ SetReadDeadline(t time.Time) error }

// interruptReads has reads of conn return when ctx is done. The function that it
// returns must be called behind the last read, and lets others read again.
func interruptReads(ctx context.Context, conn reader) (restore func()) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // fails only on a socket that is closed already
		close(interrupted)
	})
	return func() {
		if !stop() {
			<-interrupted
			_ = conn.SetReadDeadline(time.Time{})
		}
	}
}

// passing reports whether reading may go on: an ICMP message about what was sent
// surfaces as an error of the next read, and so does an oversized datagram on
// some systems.
func passing(err error) bool {
	return !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) && isPassing(err)
}
