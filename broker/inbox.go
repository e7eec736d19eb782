package broker

// inbox is the buffer that a client's input is read into and parsed in. It
// holds the start of an operation whose rest has not arrived; a client that
// sent whole operations holds no buffer while it is silent. It belongs to the
// read loop.
type inbox struct {
	// buf[:len] is unparsed input.
	buf []byte
	// charged is what the account knows of it: the buffer, if it holds the
	// start of an operation.
	account *memoryAccount
	charged int
}

// recharge tells the account what is held. It is called when a batch is parsed
// and costs nothing when nothing has changed.
func (in *inbox) recharge() {
	held := 0
	if len(in.buf) > 0 {
		held = cap(in.buf)
	}
	if held != in.charged {
		in.account.charge(held - in.charged)
		in.charged = held
	}
}

// room returns where the next read may write: at least half of size, which is a
// power of two, and no more than maxRead.
func (in *inbox) room(size int) []byte {
	if cap(in.buf)-len(in.buf) < size/2 {
		in.move(max(size, 2*len(in.buf)))
	}
	return in.buf[len(in.buf):min(cap(in.buf), len(in.buf)+maxRead)]
}

// shrink leaves little more room than the unparsed input needs: not so little
// that room and it would copy a large message to and fro as it arrives.
func (in *inbox) shrink() {
	if cap(in.buf) > max(minBuffer, 4*len(in.buf)) {
		in.move(len(in.buf))
		in.recharge()
	}
}

// release forgets the unparsed input, and gives the buffer back.
func (in *inbox) release() {
	in.move(0)
	in.recharge()
}

// move puts the unparsed input into a buffer of the given size, none for 0.
func (in *inbox) move(size int) {
	old := in.buf
	in.buf = nil
	if size > 0 {
		in.buf = append(getBuffer(size), old...)
	}
	putBuffer(old)
}

// received counts n bytes that were read into the room.
func (in *inbox) received(n int) { in.buf = in.buf[:len(in.buf)+n] }

// consumed drops the first n bytes, which were parsed.
func (in *inbox) consumed(n int) {
	rest := copy(in.buf, in.buf[n:])
	in.buf = in.buf[:rest]
}
