package link

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// lookAtTCP asks the kernel about a connection: one system call of about a
// microsecond, which neither waits for a blocked write nor disturbs one.
func lookAtTCP(nc net.Conn) TCPEvidence {
	var info *unix.TCPInfo
	err := control(nc, func(fd int) (err error) {
		info, err = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return err
	})
	if err != nil {
		return TCPEvidence{}
	}
	return TCPEvidence{
		Known:       true,
		Unacked:     int(info.Unacked),
		Backoff:     int(info.Backoff),
		Retransmits: int(info.Retransmits),
		SinceAck:    time.Duration(info.Last_ack_recv) * time.Millisecond,
		// Kernels before 5.4 leave the window out, which reads as zero.
		ZeroWindow: info.Snd_wnd == 0 && info.Notsent_bytes > 0,
		Probes:     int(info.Probes),
		Unsent:     int(info.Notsent_bytes),
		segments:   info.Segs_in,
		outOfOrder: info.Rcv_ooopack, // 0 before Linux 5.4
		RTT:        time.Duration(info.Rtt) * time.Microsecond,
		Sent:       int(info.Segs_out),
		Resent:     int(info.Total_retrans),
	}
}
