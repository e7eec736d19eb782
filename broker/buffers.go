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

// readBuffer is what one read may fill. Larger reads spread the cost of the
// system call and of the flush over more messages; from 64 KiB on the gain is
// below the noise.
const readBuffer = 64 << 10

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
