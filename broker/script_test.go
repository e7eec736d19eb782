package broker_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A script is a golden transcript between clients and a broker. A file of
// testdata holds one, or several of which each begins with a line "=== " and a
// sentence. It opens with prose that says what it shows. Then, a line each:
//
//	config max_connections 1     the broker's limits; nats-server's words
//	c1 connects                  expected to be greeted by what follows; a client
//	                             that is merely used connects by itself
//	c1> PUB foo 5                sends the line and CRLF
//	c1>> ZZZ                     sends exactly these bytes
//	c1< PONG                     the next line that arrives
//	c1< INFO {"proto":1}         the next line; these keys have these values
//	c1/ MSG foo [12] 1           the next line matches
//	c1~ MSG foo 1 1              the next lines, marked so, in any order
//	c1 closed                    the stream ends
//	# a remark
//
// In what is sent and expected, \r \n \t \xNN and \\ are what they are in Go and
// {ab*500} is 500 times ab. A line that only one broker follows begins with
// "vigil: " or "stock: ". When the script ends, each client that is open is sent
// a PING and must get its PONG next: nothing else has arrived.
type script struct {
	name   string
	config limits
	steps  []step
	// single says that there is one client, whose input may come in one piece.
	single bool
}

type step struct {
	at     int    // line of the file
	only   string // "vigil", "stock" or ""
	client string
	verb   string
	text   string
}

var (
	configLine = regexp.MustCompile(`^config (\w+) (\d+)$`)
	stepLine   = regexp.MustCompile(`^(?:(vigil|stock): )?(c\d+)(?: (closed|connects)|(>>|>|<|/|~)(?: (.*))?)$`)
	repeated   = regexp.MustCompile(`\{([^{}]+?)\*(\d+)\}`)
)

// readScripts reads the scripts of a file.
func readScripts(t testing.TB, path string) []*script {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	scripts, err := parseScripts(strings.TrimSuffix(filepath.Base(path), ".txt"), string(text))
	check(t, err)
	return scripts
}

// parseScripts parses the scripts of a file; name is that of the only one.
func parseScripts(name, text string) ([]*script, error) {
	var scripts []*script
	at := 0
	for i, part := range strings.Split("\n"+text, "\n=== ") {
		title, rest, _ := strings.Cut(part, "\n")
		if i > 0 {
			name = title
		}
		s, err := parseScript(rest, at)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		at += 1 + strings.Count(rest, "\n")
		s.name = name
		if len(s.steps) > 0 {
			scripts = append(scripts, s)
		} else if i > 0 || strings.HasPrefix(text, "c") {
			return nil, fmt.Errorf("%s: no steps", name)
		}
	}
	if len(scripts) == 0 {
		return nil, fmt.Errorf("%s: no steps", name)
	}
	return scripts, nil
}

// parseScript parses one script, which begins behind line at of its file.
func parseScript(text string, at int) (*script, error) {
	s := &script{config: make(limits)}
	clients := make(map[string]bool)
	for i, line := range strings.Split(text, "\n") {
		if m := configLine.FindStringSubmatch(line); m != nil {
			s.config[m[1]], _ = strconv.Atoi(m[2])
			continue
		}
		if m := stepLine.FindStringSubmatch(line); m != nil {
			st := step{at: at + i + 1, only: m[1], client: m[2], verb: m[3] + m[4], text: m[5]}
			if st.verb != "/" {
				var err error
				if st.text, err = unescape(st.text); err != nil {
					return nil, fmt.Errorf("line %d: %w", st.at, err)
				}
			}
			s.steps = append(s.steps, st)
			clients[st.client] = true
			continue
		}
		if len(s.steps) > 0 && line != "" && !strings.HasPrefix(line, "#") {
			return nil, fmt.Errorf("line %d: neither step nor remark: %s", at+i+1, line)
		}
	}
	s.single = len(clients) == 1
	return s, nil
}

// unescape returns what an escaped text of a script stands for.
func unescape(text string) (string, error) {
	text = repeated.ReplaceAllStringFunc(text, func(r string) string {
		m := repeated.FindStringSubmatch(r)
		n, _ := strconv.Atoi(m[2])
		return strings.Repeat(m[1], n)
	})
	if !strings.Contains(text, `\`) {
		return text, nil
	}
	return strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
}

// style is how a client's input is cut into writes.
type style int

const (
	byLine style = iota
	byByte
	coalesced // all that is sent before something is expected, or all there is
)

func (s style) String() string { return [...]string{"by line", "by byte", "coalesced"}[s] }

// play runs the script against a broker that serves nobody else.
func (s *script) play(t *testing.T, r *rival, how style) {
	p := &player{t: t, rival: r, how: how, clients: make(map[string]*rawClient)}
	var steps []step
	for _, st := range s.steps {
		if st.only == "" || st.only == r.name {
			steps = append(steps, st)
		}
	}
	if s.single && how == coalesced {
		steps = sendsFirst(steps)
	}
	for len(steps) > 0 {
		n := p.group(steps)
		p.step(steps[:n])
		steps = steps[n:]
	}
	for name, c := range p.clients {
		if !c.ended {
			c.write("PING\r\n")
			c.expect(name+" at the end", "PONG")
		}
		c.conn.Close()
	}
}

func sendsFirst(steps []step) []step {
	var sends, others []step
	for _, st := range steps {
		switch st.verb {
		case ">", ">>":
			sends = append(sends, st)
		default:
			others = append(others, st)
		}
	}
	if len(others) > 0 && others[0].verb == "connects" {
		return append(append(others[:1:1], sends...), others[1:]...)
	}
	return append(sends, others...)
}

// player is a script in progress.
type player struct {
	t       *testing.T
	rival   *rival
	how     style
	clients map[string]*rawClient
}

// group returns how many of the first steps are taken together.
func (p *player) group(steps []step) int {
	kind := func(st step) string {
		switch {
		case st.verb == "~", p.how == coalesced && st.verb[0] == '>':
			return st.client + st.verb[:1]
		}
		return ""
	}
	n := 1
	for n < len(steps) && kind(steps[0]) != "" && kind(steps[n]) == kind(steps[0]) {
		n++
	}
	return n
}

func (p *player) step(group []step) {
	p.t.Helper()
	first := group[0]
	at := fmt.Sprintf("line %d, %s", first.at, first.client)
	c := p.clients[first.client]
	if c == nil {
		c = dialRaw(p.t, p.rival.addr)
		c.repeats = p.rival.name == "stock"
		p.clients[first.client] = c
		if first.verb != "connects" {
			c.expectInfo(at, "{}")
		}
	}
	switch first.verb {
	case ">", ">>":
		p.send(c, group)
	case "<":
		if want, ok := strings.CutPrefix(first.text, "INFO "); ok {
			c.expectInfo(at, want)
			return
		}
		c.expect(at, first.text)
	case "/":
		c.expectMatch(at, regexp.MustCompile("^"+first.text+"$"))
	case "~":
		var want []string
		for _, st := range group {
			want = append(want, st.text)
		}
		c.expectUnordered(at, want)
	case "closed":
		c.expectEnd(at)
	}
}

func (p *player) send(c *rawClient, group []step) {
	var text strings.Builder
	for _, st := range group {
		text.WriteString(st.text)
		if st.verb == ">" {
			text.WriteString("\r\n")
		}
	}
	if p.how != byByte {
		c.write(text.String())
		return
	}
	for i := range text.Len() {
		c.write(text.String()[i : i+1])
	}
}

// infoHas reports which keys of want, a JSON object, line lacks or has with
// another value.
func infoHas(line, want string) error {
	text, ok := strings.CutPrefix(line, "INFO ")
	if !ok || !strings.HasSuffix(text, "} ") {
		return fmt.Errorf("got %.200q, want an INFO", line)
	}
	var got, keys map[string]any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(want), &keys); err != nil {
		return err
	}
	for key, value := range keys {
		if got[key] != value {
			return fmt.Errorf("INFO has %s %v, want %v", key, got[key], value)
		}
	}
	return nil
}

// allScripts returns the scripts of testdata.
func allScripts(t testing.TB) []*script {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txt")
	check(t, err)
	var all []*script
	for _, path := range paths {
		all = append(all, readScripts(t, path)...)
	}
	if len(all) == 0 {
		t.Fatal("no scripts")
	}
	return all
}
