package broker

import (
	"crypto/rand"
	"encoding/base32"
)

// newServerID returns an identity as nats-server makes it: the text form of an
// nkey of the kind "server", 56 characters from N on. It is a random public
// key: clients show it and compare it, nobody signs with it.
func newServerID() string {
	const (
		prefixServer = 13 << 3 // 'N' in base32
		keyLen       = 32
	)
	raw := make([]byte, 1, 1+keyLen+2)
	raw[0] = prefixServer
	key := make([]byte, keyLen)
	rand.Read(key) // never fails: crypto/rand ends the program instead
	raw = append(raw, key...)
	sum := crc16(raw)
	raw = append(raw, byte(sum), byte(sum>>8))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)
}

// crc16 is CRC-16/XMODEM, the checksum of nkeys.
func crc16(data []byte) uint16 {
	const polynomial = 0x1021
	var sum uint16
	for _, b := range data {
		sum ^= uint16(b) << 8
		for range 8 {
			carry := sum&0x8000 != 0
			sum <<= 1
			if carry {
				sum ^= polynomial
			}
		}
	}
	return sum
}
