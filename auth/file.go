package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// maxFile bounds a file of credentials, in bytes. A JWT with many permissions
// has some ten thousand.
const maxFile = 1 << 20

// ErrCredentials is wrapped by the errors for a .creds file that is none.
var ErrCredentials = errors.New("no credentials; want a .creds file with a user's JWT and its seed, as nsc generate creds writes it")

// readFile reads a file of no more than maxFile bytes.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: more than %d bytes: %w", path, maxFile, ErrCredentials)
	}
	if err != nil {
		clear(text)
		return nil, err
	}
	return text, nil
}

// findSeed returns the first line of a file that looks like a seed, or the
// whole.
func findSeed(text []byte) []byte {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); bytes.HasPrefix(line, []byte("SU")) {
			return line
		}
	}
	return bytes.TrimSpace(text)
}

// splitCredentials returns the two parts of a .creds file. Each stands on a line
// of its own between one that begins it and one that ends it:
//
//	-----BEGIN NATS USER JWT-----
//	eyJ…
//	------END NATS USER JWT------
//
//	-----BEGIN USER NKEY SEED-----
//	SU…
//	------END USER NKEY SEED------
func splitCredentials(text []byte) (jwt string, seed []byte, err error) {
	var inside bool
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		switch {
		case bytes.HasPrefix(line, []byte("---")):
			inside = !inside
		case !inside || len(line) == 0:
		case jwt == "":
			jwt = string(line)
		case seed == nil:
			seed = line
		}
	}
	if strings.Count(jwt, ".") != 2 || seed == nil {
		return "", nil, ErrCredentials
	}
	return jwt, seed, nil
}

// expiry returns when a JWT expired, by our clock, or "". Whether it is valid is
// the broker's to say: this is a word for its refusal.
func expiry(jwt string) string {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return ""
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Expires int64 `json:"exp"` // seconds since 1970, RFC 7519
	}
	if json.Unmarshal(body, &claims) != nil || claims.Expires <= 0 {
		return ""
	}
	at := time.Unix(claims.Expires, 0)
	if time.Now().Before(at) {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}
