package bench

import "bytes"

// replies is the checker of a publisher's connection: it counts the replies
// that acknowledge messages, and delivers nothing. An empty reply never comes.
type replies struct {
	reply []byte
	taken int64
}

func (r *replies) frames() int64 { return r.taken }

// No delivery begins with it.
func (r *replies) first() byte { return 0 }

func (r *replies) take(b []byte) (n int, err error) {
	for len(r.reply) > 0 && bytes.HasPrefix(b[n:], r.reply) {
		r.taken++
		n += len(r.reply)
	}
	return n, nil
}
