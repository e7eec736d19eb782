package auth

import (
	"crypto/ed25519"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// A seed in text is base32 of two bytes of prefix, the 32 bytes of the Ed25519
// seed, and a CRC-16 of both, little-endian. The prefix holds two values of five
// bits, aligned to letters: "S" for a seed, and the kind of key, "U" for a user.
// A public key has one byte of prefix, which gives its first letter.

// ErrSeed is wrapped by the errors for a seed that is none.
var ErrSeed = errors.New("no seed of a user's key; want one that begins with SU, as nsc and nk write it")

const (
	prefixSeed = 18 << 3 // S
	prefixUser = 20 << 3 // U
	crcSize    = 2
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// parseSeed decodes the seed of a user's key.
func parseSeed(text []byte) (ed25519.PrivateKey, error) {
	raw := make([]byte, base32Text.DecodedLen(len(text)))
	defer clear(raw)
	n, err := base32Text.Decode(raw, text)
	if err != nil || n != 2+ed25519.SeedSize+crcSize {
		return nil, ErrSeed // what base32 says shows a byte of it
	}
	body := raw[:n-crcSize]
	if crc16(body) != binary.LittleEndian.Uint16(raw[n-crcSize:n]) {
		return nil, ErrSeed
	}
	kind := body[0]&7<<5 | body[1]&0xf8>>3
	if body[0]&0xf8 != prefixSeed || kind != prefixUser {
		return nil, ErrSeed
	}
	return ed25519.NewKeyFromSeed(body[2:]), nil
}

// publicKey returns the public key as text.
func publicKey(key ed25519.PrivateKey) string {
	raw := append([]byte{prefixUser}, key.Public().(ed25519.PublicKey)...)
	return base32Text.EncodeToString(binary.LittleEndian.AppendUint16(raw, crc16(raw)))
}

// sign returns the signature of a nonce as CONNECT has it.
func sign(key ed25519.PrivateKey, nonce string) string {
	return base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(nonce)))
}

// crc16 is CRC-16/XMODEM: polynomial x¹⁶+x¹²+x⁵+1, no reflection, starts at 0.
func crc16(b []byte) (crc uint16) {
	for _, c := range b {
		crc ^= uint16(c) << 8
		for range 8 {
			carry := crc >> 15
			crc = crc<<1 ^ carry*0x1021
		}
	}
	return crc
}
