package bench

import (
	"fmt"
	"strings"
	"testing"
)

func TestIdentified(t *testing.T) {
	frame := func(id int, payload string) string {
		header := fmt.Sprintf("%s%036d\r\n\r\n", idHeader, id)
		return fmt.Sprintf("HMSG s 1 %d %d\r\n%s%s\r\n", len(header), len(header)+len(payload), header, payload)
	}
	whole := frame(1, "abc")
	for name, tc := range map[string]struct {
		bytes  string
		frames int64
		used   int
		bad    bool
	}{
		"nothing":        {"", 0, 0, false},
		"one":            {whole, 1, len(whole), false},
		"three":          {whole + frame(2, "abc") + frame(9, "abc"), 3, 3 * len(whole), false},
		"a part":         {whole + whole[:20], 1, len(whole), false},
		"another":        {whole + "PING\r\n" + strings.Repeat(" ", 200), 1, len(whole), false},
		"twice":          {whole + whole, 1, len(whole), true},
		"back":           {frame(2, "abc") + whole, 1, len(whole), true},
		"other payload":  {frame(1, "abd"), 0, 0, true},
		"other header":   {strings.Replace(whole, "Nats", "Gnat", 1), 0, 0, true},
		"torn":           {whole[:30] + whole, 0, 0, true},
		"another length": {frame(1, "abcd") + whole, 0, 0, true},
	} {
		v := newIdentified(natsDialect{}, message{subject: "s", sid: 1, payload: []byte("abc")})
		n, err := v.take([]byte(tc.bytes))
		if v.frames() != tc.frames || n != tc.used || (err != nil) != tc.bad {
			t.Errorf("%s: %d frames, %d of %d bytes, %v", name, v.frames(), n, len(tc.bytes), err)
		}
	}
}
