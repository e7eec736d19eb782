package udp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"vigil/heartbeat"
	"vigil/heartbeat/udp"
)

// A peer that answers for a while and then vanishes.
func Example() {
	peer, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer peer.Close()
	alive, vanish := context.WithTimeout(context.Background(), time.Second)
	defer vanish()
	served := make(chan error)
	go func() { served <- udp.Responder{}.Serve(alive, peer) }()

	conn, err := net.Dial("udp", peer.LocalAddr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	prober := udp.Prober{Method: heartbeat.Within(500 * time.Millisecond)}
	err = prober.Watch(context.Background(), conn)
	dead, ok := errors.AsType[*udp.DeadError](err)
	fmt.Println(ok, dead.Evidence.Silence >= prober.Method.Bound())
	fmt.Println(<-served)

	// Output:
	// true true
	// context deadline exceeded
}
