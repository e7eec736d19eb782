package broker

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"
)

// visits are what clients do in a storm before they close. The broker may refuse
// or end any of them, so that no error is one.
var visits = []func(conn net.Conn, r *rand.Rand){
	func(net.Conn, *rand.Rand) {},
	visitWithJunk,
	visitHalfClosed,
	visitReset,
	visitAndNeverRead,
	visitWithFlood,
	visitFidgeting,
	visitReadingSlowly,
	visitInPieces,
	visitOwnMessages,
}

func visitWithJunk(conn net.Conn, r *rand.Rand) {
	_, _ = io.WriteString(conn, "JUNK\r\n"+strings.Repeat("j", r.IntN(200<<10)))
}

func visitHalfClosed(conn net.Conn, _ *rand.Rand) {
	_, _ = io.WriteString(conn, "SUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n")
	_ = closeWrite(conn)
	_, _ = io.Copy(io.Discard, conn)
}

func visitReset(conn net.Conn, _ *rand.Rand) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_, _ = io.WriteString(conn, "SUB > 1\r\nPING\r\n")
}

func visitAndNeverRead(conn net.Conn, r *rand.Rand) {
	_, _ = io.WriteString(conn, "SUB > 1\r\nSUB flood 2\r\n")
	<-time.After(time.Duration(r.IntN(150)) * time.Millisecond)
}

func visitWithFlood(conn net.Conn, _ *rand.Rand) {
	messages := strings.Repeat("PUB flood 1000\r\n"+strings.Repeat("x", 1000)+"\r\n", 60)
	for range 20 {
		if _, err := io.WriteString(conn, messages); err != nil {
			return
		}
	}
}

func visitFidgeting(conn net.Conn, _ *rand.Rand) {
	for sid := range 20 {
		if _, err := fmt.Fprintf(conn, "SUB flood %d\r\nUNSUB %d\r\nPING\r\n", sid, sid); err != nil {
			return
		}
		if err := readUntil(conn, "PONG\r\n"); err != nil {
			return
		}
	}
}

func visitReadingSlowly(conn net.Conn, _ *rand.Rand) {
	_, _ = io.WriteString(conn, "SUB flood 2\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(150 * time.Millisecond)) // there may be no flood
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for buf := make([]byte, 4096); ; <-pace.C {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}

func visitInPieces(conn net.Conn, _ *rand.Rand) {
	const piece, pieces = 1000, 300
	_, _ = fmt.Fprintf(conn, "PUB big %d\r\n", piece*pieces)
	for range pieces {
		if _, err := io.WriteString(conn, strings.Repeat("z", piece)); err != nil {
			return
		}
	}
	_, _ = io.WriteString(conn, "\r\nPING\r\n")
	_ = readUntil(conn, "PONG\r\n")
}

func visitOwnMessages(conn net.Conn, _ *rand.Rand) {
	_, _ = io.WriteString(conn, "SUB own 9\r\nPUB own 2\r\nhi\r\nPING\r\n")
	_ = readUntil(conn, "PONG\r\n")
}
