package broker

import (
	"math/bits"
	"sync"
)

// Buffers come in powers of two, so that one that comes back fits the next who
// asks for its size.
const (
	minBufferBits = 9  // 512 B: a few small messages
	maxBufferBits = 21 // 2 MiB: the largest message of the default limits
	minBuffer     = 1 << minBufferBits
	maxBuffer     = 1 << maxBufferBits
)

// readBuffer is what a read is given, and maxRead what it may fill: so much that
// what a destination gets of it fits a buffer of the same size, and goes out
// with one write. A write to a socket whose reader waits costs as much as copying
// some 20 KiB: against reads of 64 KiB and writes of up to 60, one publisher to
// 100 subscribers costs 0.046 µs instead of 0.065 for each message of 128 bytes,
// ten publishers to one 0.075 instead of 0.10 (vigil-lab bench).
const (
	readBuffer = 128 << 10
	maxRead    = 112 << 10
)

var (
	bufferPools [maxBufferBits - minBufferBits + 1]sync.Pool // of *pooled with a buffer
	emptyPooled sync.Pool                                    // of *pooled without
)

// pooled carries a buffer in a pool, so that a slice goes in and out without an
// allocation for its header.
type pooled struct{ buffer []byte }

// getBuffer returns a buffer with a capacity of at least size, and length 0.
func getBuffer(size int) []byte {
	class := bufferClass(size)
	if class >= len(bufferPools) {
		return make([]byte, 0, size)
	}
	p, ok := bufferPools[class].Get().(*pooled)
	if !ok {
		return make([]byte, 0, minBuffer<<class)
	}
	b := p.buffer
	p.buffer = nil
	emptyPooled.Put(p)
	return b
}

// putBuffer takes back a buffer that nobody refers to any more.
func putBuffer(b []byte) {
	size := cap(b)
	if size < minBuffer || size > maxBuffer || size&(size-1) != 0 {
		return
	}
	p, ok := emptyPooled.Get().(*pooled)
	if !ok {
		p = new(pooled)
	}
	p.buffer = b[:0]
	bufferPools[bufferClass(size)].Put(p)
}

// bufferClass returns the index of the smallest class that holds size bytes.
func bufferClass(size int) int {
	if size <= minBuffer {
		return 0
	}
	return bits.Len(uint(size-1)) - minBufferBits
}
