package broker

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// attackVariable holds the configuration of a test binary that is to be an
// attacker instead, so that neither the broker nor those who measure it share a
// process with it.
const attackVariable = "VIGIL_TEST_ATTACK"

// attack is a number of connections that each do the same harm. They are opened
// as fast as can be, and then each in turn is given up for a new one, at a pace,
// so that it goes on against a broker that ends them.
type attack struct {
	Addr        string
	Connections int
	Pace        time.Duration // between two
	// Harm names what each does.
	Harm string
}

// harms are what the connections of an attack do.
var harms = map[string]func(io.Writer){
	// The start of a message of 1 MiB, 64 KiB of it.
	"unfinished": func(w io.Writer) {
		fmt.Fprint(w, quietConnect+"PUB a 1048576\r\n", strings.Repeat("x", 64<<10))
	},
	// A subscriber that reads nothing.
	"stuck": func(w io.Writer) { fmt.Fprint(w, quietConnect+"SUB flood 1\r\n") },
	// A million subscriptions.
	"subscriptions": func(w io.Writer) {
		out := bufio.NewWriterSize(w, 1<<16)
		fmt.Fprint(out, quietConnect)
		for i := range 1_000_000 {
			if _, err := fmt.Fprintf(out, "SUB orders.%d.new %d\r\n", i, i); err != nil {
				return
			}
		}
		_ = out.Flush()
	},
	// A thousand subscriptions to everything, by one that reads nothing.
	"amplification": func(w io.Writer) {
		var subs strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&subs, "SUB > %d\r\n", i)
		}
		fmt.Fprint(w, quietConnect, subs.String())
	},
	// The start of a first operation.
	"hello": func(w io.Writer) { fmt.Fprint(w, `CONNECT {"verbose":`) },
}

// attackAsChild attacks until standard input ends. It prints a line when all
// connections have been opened.
func attackAsChild(config string) {
	var a attack
	if err := json.Unmarshal([]byte(config), &a); err != nil {
		panic(err)
	}
	go a.run(func() { fmt.Println("all") }) // ends with the process
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func (a *attack) run(all func()) {
	const crew = 8
	pace := time.NewTicker(a.Pace)
	var first sync.WaitGroup
	for w := range min(crew, a.Connections) {
		first.Add(1)
		go func() { // ends with the process
			conns := make([]net.Conn, a.Connections)
			for round := 0; ; round++ {
				for i := w; i < a.Connections; i += crew {
					if conns[i] != nil {
						<-pace.C
						conns[i].Close()
					}
					conn, err := net.Dial("tcp", a.Addr)
					if err != nil {
						panic(err)
					}
					_ = conn.(*net.TCPConn).SetWriteBuffer(128 << 10)
					harms[a.Harm](conn)
					conns[i] = conn
				}
				if round == 0 {
					first.Done()
				}
			}
		}()
	}
	first.Wait()
	all()
}
