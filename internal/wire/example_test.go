package wire_test

import (
	"fmt"
	"io"
	"log"
	"strings"

	"vigil/internal/wire"
)

// A broker reads what a client sends, in whatever pieces it arrives, and
// delivers the message to the client's subscription 1.
func Example() {
	var fromClient []byte
	fromClient = wire.AppendSub(fromClient, "greet.*", "", "1")
	fromClient = wire.AppendPub(fromClient, "greet.world", "", []byte("hello"))
	fromClient = append(fromClient, wire.PingLine...)
	connection := strings.NewReader(string(fromClient))

	var parser wire.Parser // FromClient, with the default limits
	var op wire.Op
	var toClient []byte
	buf := make([]byte, 0, 64)
	for {
		// Reads are short here, so that operations are cut.
		n, err := connection.Read(buf[len(buf) : len(buf)+min(10, cap(buf)-len(buf))])
		if err == io.EOF {
			break
		}
		buf = buf[:len(buf)+n]

		rest := buf
		for {
			n, err := parser.Next(rest, &op)
			if err != nil {
				log.Fatal(err)
			}
			if n == 0 {
				break
			}
			rest = rest[n:]
			switch op.Kind {
			case wire.Sub:
				fmt.Printf("subscribed %s to %s\n", op.SID, op.Subject)
			case wire.Pub:
				toClient = wire.AppendMsg(toClient, &op, "1", false)
			case wire.Ping:
				toClient = append(toClient, wire.PongLine...)
			}
		}
		buf = buf[:copy(buf, rest)]
	}
	fmt.Printf("%q\n", toClient)
	// Output:
	// subscribed 1 to greet.*
	// "MSG greet.world 1 5\r\nhello\r\nPONG\r\n"
}
