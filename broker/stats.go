package broker

import "sync/atomic"

// clientStats counts one client's messages, and their bytes: header and
// payload. Each batch adds to it once, so it may be read at any time and lags by
// the batches in progress.
type clientStats struct {
	inMsgs, inBytes   atomic.Int64 // published by the client
	outMsgs, outBytes atomic.Int64 // handed to the client's outbox
	// stalls counts the batches behind which the client was held back for
	// destinations that were far behind.
	stalls atomic.Int64
}

// tally is what a batch adds to one side of clientStats.
type tally struct{ messages, bytes int64 }

func (t *tally) message(frame []byte) {
	t.messages++
	t.bytes += int64(len(frame) - len("\r\n"))
}

// moveTo adds the tally to the counters and starts it anew.
func (t *tally) moveTo(messages, bytes *atomic.Int64) {
	if t.messages > 0 {
		messages.Add(t.messages)
		bytes.Add(t.bytes)
		*t = tally{}
	}
}
