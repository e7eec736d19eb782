package broker

// traffic is what went in and out, in messages and in bytes of their headers
// and payloads, and how often a publisher was held back.
type traffic struct {
	inMsgs, outMsgs, inBytes, outBytes, stalls int64
}

func (t *traffic) add(u traffic) {
	t.inMsgs += u.inMsgs
	t.outMsgs += u.outMsgs
	t.inBytes += u.inBytes
	t.outBytes += u.outBytes
	t.stalls += u.stalls
}

// traffic returns what the client has sent and was sent.
func (c *client) traffic() traffic {
	s := &c.stats
	return traffic{s.inMsgs.Load(), s.outMsgs.Load(), s.inBytes.Load(), s.outBytes.Load(), s.stalls.Load()}
}
