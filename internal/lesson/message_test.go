package lesson

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// decode cuts what comes in pieces into messages.
func decode(pieces ...[]byte) (got []Type, err error) {
	var d Decoder
	for _, piece := range pieces {
		for {
			n := copy(d.Room(), piece)
			d.Got(n)
			piece = piece[n:]
			for {
				t, ok, err := d.Next()
				if err != nil {
					return got, err
				}
				if !ok {
					break
				}
				got = append(got, t)
			}
			if len(piece) == 0 {
				break
			}
		}
	}
	return got, nil
}

func TestMessages(t *testing.T) {
	ping, pong := AppendMessage(nil, Ping), AppendMessage(nil, Pong)
	if len(ping) != 1028 || !bytes.Equal(ping[:5], []byte{0, 0, 0, 1, 0}) {
		t.Errorf("PING is % x… of %d bytes", ping[:5], len(ping))
	}
	// As the lesson's server sends it where the machine is little-endian.
	careless := bytes.Clone(pong)
	copy(careless, []byte{2, 0, 0, 0})
	for name, tc := range map[string]struct {
		bytes []byte
		want  []Type
		bad   uint32
	}{
		"nothing":          {nil, nil, 0},
		"half a type":      {ping[:3], nil, 0},
		"half a message":   {ping[:1027], nil, 0},
		"one":              {ping, []Type{Ping}, 0},
		"one and a half":   {slices.Concat(ping, pong[:500]), []Type{Ping}, 0},
		"each":             {slices.Concat(ping, pong, AppendMessage(nil, Type1), AppendMessage(nil, Type2)), []Type{Ping, Pong, Type1, Type2}, 0},
		"many":             {bytes.Repeat(ping, 50), slices.Repeat([]Type{Ping}, 50), 0},
		"PONG of C":        {careless, []Type{Pong}, 0},
		"type 0":           {make([]byte, MessageSize), nil, 0},
		"PING of C":        {[]byte{1, 0, 0, 0}, nil, 1 << 24},
		"HTTP, at once":    {[]byte("GET / HTTP/1.1\r\n"), nil, 0x47455420},
		"behind a message": {slices.Concat(ping, []byte{0, 0, 0, 3}), []Type{Ping}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			for cut := range min(len(tc.bytes), 2*MessageSize) + 1 {
				got, err := decode(tc.bytes[:cut], tc.bytes[cut:])
				bad, isBad := errors.AsType[*TypeError](err)
				if !slices.Equal(got, tc.want) || isBad != (tc.bad != 0 || name == "type 0") || isBad && bad.Type != tc.bad {
					t.Fatalf("cut at %d: %v, %v; want %v, %d", cut, got, err, tc.want, tc.bad)
				}
			}
			var single [][]byte
			for k := range tc.bytes {
				single = append(single, tc.bytes[k:k+1])
			}
			if got, _ := decode(single...); !slices.Equal(got, tc.want) {
				t.Errorf("byte by byte: %v, want %v", got, tc.want)
			}
		})
	}
}

// Whatever comes, in whatever pieces: what is found is what a simpler reader finds
// in the whole, and nothing is held but the last message.
func FuzzDecoder(f *testing.F) {
	f.Add(AppendMessage(AppendMessage(nil, Ping), Pong), uint8(200))
	f.Add([]byte{2, 0, 0, 0}, uint8(1))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(0))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		var want []Type
		bad := false
		for rest := stream; len(rest) >= 4; {
			kind := uint32(rest[0])<<24 | uint32(rest[1])<<16 | uint32(rest[2])<<8 | uint32(rest[3])
			if kind == 2<<24 {
				kind = 2
			}
			if bad = kind != 1 && kind != 2 && kind != 11 && kind != 21; bad || len(rest) < 1028 {
				break
			}
			want, rest = append(want, Type(kind)), rest[1028:]
		}
		got, err := decode(slices.Collect(slices.Chunk(stream, int(size)+1))...)
		if !slices.Equal(got, want) || (err != nil) != bad {
			t.Errorf("%v, %v; want %v, bad: %v", got, err, want, bad)
		}
	})
}
