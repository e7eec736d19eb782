package link

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// lookAtTCP asks the kernel about a connection: two system calls of about a
// microsecond, which neither wait for a blocked write nor disturb one.
func lookAtTCP(nc net.Conn) TCPEvidence {
	var info *unix.TCPInfo
	var unread int
	err := control(nc, func(fd int) (err error) {
		// The first of its figures is SK_MEMINFO_RMEM_ALLOC. Kernels before 4.12
		// have none.
		unread, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MEMINFO)
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
		Unread:     unread,
		segments:   info.Segs_in,
		RTT:        time.Duration(info.Rtt) * time.Microsecond,
		Sent:       int(info.Segs_out),
		Resent:     int(info.Total_retrans),
	}
}
