package broker_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// generator makes random dialogues. It stays within what has one right outcome:
// members of a queue group get no limit, except in one group whose members all
// get the same, once.
type generator struct {
	*rand.Rand
	d        *dialogue
	messages int
	limited  bool // the limited group has been made
	// rest is what ends the operation that a client has left unfinished.
	rest []string
	// headers says which clients announced them last.
	headers []bool
}

var (
	limitsToTry = []limits{
		{},
		{"max_payload": 40, "max_control_line": 64},
		{"max_subscriptions": 3},
	}
	subjects = []string{"a", "a.b", "b", "b.c", "a.b.c", "c", "r.1", "r.2", "foo*", "$SYS.x", "\x00\xff", "é.a"}
	patterns = []string{"a", "a.b", "a.*", "*", "*.b", ">", "a.>", "b.c", "*.*", "*.>", "r.*", "r.1", "foo*", "a.b.c", "c", "a*", "$SYS.>", "\x00\xff"}
	noSubs   = []string{"a..b", ".a", "a.", "a.>.b", ">.a", ".", ".."}
	odd      = []string{"a.*", ">", "*", "a..b", ".a", "a.", "$GR.a", "_GR_.b", "$NRG.c", "a.>"}
	replies  = []string{"r.1", "r.2", "a", "nobody", "r.1", "r.2", "r.1", "_R_.a", "$JS.ACK.a", "r..1", "r.*"}
	blocks   = []string{"NATS/1.0\r\n\r\n", "NATS/1.0\r\na: b\r\n\r\n", "xyz", "", "NATS/1.0 503\r\n", "\r\n"}
	junk     = []string{
		"ZZZ\r\n", "\r\n", "PUBS a 1\r\n", "SUBa 1\r\n", "MSG a 1 1\r\n", "PUB a\r\n", "PUB a b c 1\r\n", "SUB a\r\n",
		"SUB a b c d\r\n", "UNSUB 1 2 3\r\n", "PUB a -1\r\n", "PUB a x\r\n", "PUB a 99999999\r\n", "PUB a 9999999999\r\n",
		"HPUB a 5 3\r\n", "HPUB a 3\r\n", "HPUB a x 5\r\n", "CONNECT {\r\n", "CONNECT []\r\n", "CONNECT {\"protocol\":7}\r\n",
		"CONNECT {\"verbose\":1}\r\n", "-ERR 'x'\r\n", "INFO {\r\n", "INFO\r\n", "SUB " + strings.Repeat("a", 5000) + " 1\r\n",
		"PUB a 2\r\nabc\r\n", "PUB a 2\r\nab\n", "PUB a 4\r\nab\r\n", "\x00", "GET / HTTP/1.1\r\n\r\n", "PUB\r\n", "UNSUB\r\n",
		"PUB " + strings.Repeat("a", 70) + " 1\r\nx\r\n", "CONNECT {\"account\":\"x\"}\r\n", "PUB a 41\r\n" + strings.Repeat("x", 41) + "\r\n",
		"CONNECT {\"no_responders\":true,\"headers\":false}\r\n", "SUB a _sys_ Z1\r\n", "SUB b _sys_ Z2\r\n", "UNSUB \r\n", "SUB  \r\n",
	}
)

// generate returns the dialogue of a seed.
func generate(seed uint64) *dialogue {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
	g.d = &dialogue{limits: limitsToTry[0], clients: 1 + g.IntN(3)}
	if g.IntN(4) == 0 {
		g.d.limits = pick(g, limitsToTry)
	}
	g.rest = make([]string, g.d.clients)
	g.headers = make([]bool, g.d.clients)
	for n := range g.d.clients {
		if g.IntN(8) > 0 {
			g.turn(n, []string{g.connect(n)})
		}
	}
	for range 4 + g.IntN(12) {
		g.next(g.IntN(g.d.clients))
	}
	for n, rest := range g.rest {
		if rest != "" {
			g.turn(n, nil)
		}
	}
	return g.d
}

func pick[T any](g *generator, from []T) T { return from[g.IntN(len(from))] }

// next adds a turn of client n.
func (g *generator) next(n int) {
	var ops []string
	for range 1 + g.IntN(5) {
		ops = append(ops, g.op(n))
		// Behind an -ERR nats-server obeys what comes in the same read.
		if strings.HasPrefix(ops[len(ops)-1], "-ERR") {
			break
		}
	}
	g.turn(n, ops)
}

// turn adds what client n sends, cut into writes. With some luck the beginning
// of its last operation is a turn of its own, and the rest comes when the
// others have spoken. No PING confirms such a turn, so that it may hold no
// complete operation: nobody would know whether others publish before or behind
// it. So the limited group, which is several, is never cut.
func (g *generator) turn(n int, ops []string) {
	if g.rest[n] != "" {
		ops, g.rest[n] = slices.Insert(ops, 0, g.rest[n]), ""
	}
	last := len(ops) - 1
	split := g.IntN(10) == 0 && last > 0 && !g.mayEnd(ops[last]) && !strings.HasPrefix(ops[last], groupBegins)
	if split {
		g.add(turn{client: n, ops: ops[:last]})
		room := len(ops[last])
		if slices.Contains(odd, strings.Fields(ops[last])[1]) {
			// nats-server tells a pedantic client of the subject when it has
			// the control line, Vigil when it has the message.
			room = strings.IndexByte(ops[last], '\n')
		}
		at := 1 + g.IntN(room-1)
		g.add(turn{client: n, ops: []string{ops[last][:at]}, open: true})
		g.rest[n] = ops[last][at:]
		return
	}
	g.add(turn{client: n, ops: ops})
}

func (g *generator) add(a turn) {
	size := len(a.text())
	switch g.IntN(8) {
	case 0:
		for i := 1; i < size && i < 200; i++ {
			a.cuts = append(a.cuts, i)
		}
	case 1, 2, 3:
		for range 1 + g.IntN(4) {
			a.cuts = append(a.cuts, g.IntN(size+1))
		}
		slices.Sort(a.cuts)
	}
	g.d.turns = append(g.d.turns, a)
}

// mayEnd reports whether an operation may end the connection. Such a one is
// not left unfinished: nobody would know when the end has come.
func (g *generator) mayEnd(op string) bool {
	verb, _, _ := strings.Cut(strings.ToUpper(op), " ")
	return slices.Contains(junk, op) || verb != "PUB" && verb != "SUB" && verb != "UNSUB" || g.d.limits["max_payload"] > 0
}

// op returns an operation of client n.
func (g *generator) op(n int) string {
	switch k := g.IntN(100); {
	case k < 22:
		return g.sub()
	case k < 32:
		return g.unsub()
	case k < 72:
		return g.publish(n)
	case k < 80:
		return pick(g, []string{"PING\r\n", "ping\r\n", "PONG\r\n", "PING x\n", "pInG\r\n", "+OK\r\n", "INFO {}\r\n", "PONG\tabc\r\n"})
	case k < 82:
		return g.connect(n)
	case k < 84:
		return pick(g, junk)
	case k < 86 && !g.limited && g.d.limits["max_subscriptions"] == 0:
		return g.limitedGroup()
	default:
		return g.publish(n)
	}
}

// blank returns what may stand between arguments.
func (g *generator) blank() string {
	if g.IntN(10) > 0 {
		return " "
	}
	return pick(g, []string{"\t", "  ", " \t", "   "})
}

// end returns what may end a control line.
func (g *generator) end() string {
	if g.IntN(10) > 0 {
		return "\r\n"
	}
	return pick(g, []string{"\n", " \r\n", "\t\n"})
}

// verb returns an operation's name, now and then in another case.
func (g *generator) verb(name string) string {
	if g.IntN(10) > 0 {
		return name
	}
	b := []byte(name)
	for i := range b {
		if g.IntN(2) == 0 {
			b[i] |= 0x20
		}
	}
	return string(b)
}

func (g *generator) line(fields ...string) string {
	var out strings.Builder
	for i, f := range fields {
		if i > 0 {
			out.WriteString(g.blank())
		}
		out.WriteString(f)
	}
	return out.String() + g.end()
}

func (g *generator) sub() string {
	subject := pick(g, patterns)
	if g.IntN(12) == 0 {
		subject = pick(g, noSubs)
	}
	if g.IntN(4) == 0 {
		group := pick(g, []string{"A", "B"})
		return g.line(g.verb("SUB"), subject, group, fmt.Sprint(group, 1+g.IntN(3)))
	}
	return g.line(g.verb("SUB"), subject, fmt.Sprint(1+g.IntN(5)))
}

func (g *generator) unsub() string {
	if g.IntN(4) == 0 {
		return g.line(g.verb("UNSUB"), fmt.Sprint(pick(g, []string{"A", "B"}), 1+g.IntN(3)))
	}
	sid := fmt.Sprint(1 + g.IntN(6))
	if g.IntN(3) == 0 {
		return g.line(g.verb("UNSUB"), sid)
	}
	return g.line(g.verb("UNSUB"), sid, pick(g, []string{"1", "2", "3", "1", "2", "5", "0", "-1", "x", "02", "9999999999"}))
}

// groupBegins is how the limited group begins, and nothing else.
const groupBegins = "SUB m M "

// limitedGroup makes a group whose members take two messages each, of a
// subject of its own.
func (g *generator) limitedGroup() string {
	g.limited = true
	var out strings.Builder
	for i := 1; i <= 2; i++ {
		out.WriteString(fmt.Sprintf(groupBegins+"M%d\r\nUNSUB M%d 2\r\n", i, i))
	}
	return out.String()
}

func (g *generator) publish(n int) string {
	subject := pick(g, subjects)
	switch {
	case g.IntN(8) == 0:
		subject = pick(g, odd)
	case g.limited && g.IntN(4) == 0:
		subject = "m"
	}
	g.messages++
	payload := fmt.Sprint("m", g.messages)
	switch g.IntN(10) {
	case 0:
		payload = ""
	case 1:
		payload += "\r\nPUB a 1\r\n"
	case 2:
		payload += "\x00\xff\n\r"
	case 3:
		payload += strings.Repeat("x", g.IntN(60))
	}
	fields := []string{subject}
	if g.IntN(3) == 0 {
		fields = append(fields, pick(g, replies))
	}
	if g.headers[n] && g.IntN(3) == 0 || g.IntN(200) == 0 {
		block := pick(g, blocks)
		fields = append(fields, g.size(len(block)), g.size(len(block)+len(payload)))
		return g.line(slices.Insert(fields, 0, g.verb("HPUB"))...) + block + payload + "\r\n"
	}
	fields = append(fields, g.size(len(payload)))
	return g.line(slices.Insert(fields, 0, g.verb("PUB"))...) + payload + "\r\n"
}

// size returns a size, now and then with zeros before it.
func (g *generator) size(n int) string {
	if g.IntN(12) == 0 {
		return fmt.Sprintf("%03d", n)
	}
	return fmt.Sprint(n)
}

// connect returns a CONNECT of client n.
func (g *generator) connect(n int) string {
	var keys []string
	add := func(key string, chance int, values ...string) string {
		if g.IntN(chance) > 0 {
			return ""
		}
		value := pick(g, values)
		if g.IntN(10) == 0 {
			key = strings.ToUpper(key)
		}
		keys = append(keys, fmt.Sprintf("%q:%s", key, value))
		return value
	}
	if g.IntN(5) > 0 {
		add("verbose", 1, "false", "false", "true")
		add("pedantic", 1, "false", "false", "true")
	}
	add("echo", 3, "true", "false", "false")
	if h := add("headers", 1, "true", "true", "false"); h != "" {
		g.headers[n] = h == "true"
	}
	if g.headers[n] {
		add("no_responders", 2, "true", "true", "false")
	}
	add("protocol", 2, "0", "1", "1")
	add("name", 4, `"x"`, `"\u00e9"`, `""`)
	add("lang", 6, `"go"`)
	add("unknown", 6, `{"a":[1,null,true]}`, "null", "1e9")
	add("user", 9, `"u"`)
	add("auth_token", 9, `"t"`)
	add("tls_required", 9, "true")
	g.Shuffle(len(keys), func(i, k int) { keys[i], keys[k] = keys[k], keys[i] })
	return g.verb("CONNECT") + pick(g, []string{" ", " ", "  ", "\t", ""}) + "{" + strings.Join(keys, ",") + "}" + g.end()
}
