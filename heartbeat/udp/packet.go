package udp

import "crypto/rand"

// nonce is what ties an answer to its probe.
type nonce [12]byte

// packetSize is that of probes and answers alike.
const packetSize = 4 + len(nonce{})

const probeMark, answerMark = "VHB?", "VHB!"

// newNonce cannot fail: package rand ends the program rather than to return what
// could be guessed.
func newNonce() (n nonce) {
	rand.Read(n[:])
	return n
}

func appendProbe(b []byte, n nonce) []byte  { return append(append(b, probeMark...), n[:]...) }
func appendAnswer(b []byte, n nonce) []byte { return append(append(b, answerMark...), n[:]...) }

func parseProbe(b []byte) (nonce, bool)  { return parse(b, probeMark) }
func parseAnswer(b []byte) (nonce, bool) { return parse(b, answerMark) }

func parse(b []byte, mark string) (n nonce, ok bool) {
	if len(b) != packetSize || string(b[:len(mark)]) != mark {
		return n, false
	}
	return nonce(b[len(mark):]), true
}
