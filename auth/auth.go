package auth

import (
	"context"
	"fmt"
	"log/slog"
)

// A Method returns who the client is, for one attempt to connect.
//
// nonce is what the broker asks to have signed, empty when it asks for no
// signature. ctx bounds the attempt. A Method may be called concurrently. What
// it returns, error included, must not show a secret when printed.
type Method func(ctx context.Context, nonce string) (Identity, error)

// Identity is what a client says of itself in CONNECT. The zero value says
// nothing. Printing it, or logging it, shows Source alone.
type Identity struct {
	User, Password string
	Token          string
	NKey           string // public key, "U…"
	JWT            string
	Signature      string // of the nonce, base64url without padding

	// Source says in words where this comes from, such as "the credentials
	// file app.creds". It completes "check …" when the broker refuses it.
	Source string
}

// String returns Source, and none of the secrets.
func (id Identity) String() string { return id.Source }

// GoString returns what String does, for %#v.
func (id Identity) GoString() string { return fmt.Sprintf("auth.Identity{Source: %q}", id.Source) }

// LogValue returns what String does, for package slog.
func (id Identity) LogValue() slog.Value { return slog.StringValue(id.Source) }

// Password identifies by user and password.
func Password(user, password string) Method {
	return func(context.Context, string) (Identity, error) {
		return Identity{User: user, Password: password, Source: fmt.Sprintf("the password of user %q", user)}, nil
	}
}

// Token identifies by a token.
func Token(token string) Method {
	return func(context.Context, string) (Identity, error) {
		return Identity{Token: token, Source: "the token"}, nil
	}
}

// NKey identifies by the seed in the file at path, which begins with "SU". The
// file may have other lines and comments, as nk and nsc write it.
func NKey(path string) Method {
	return func(_ context.Context, nonce string) (Identity, error) {
		id := Identity{Source: "the seed file " + path}
		if nonce == "" {
			return id, nil
		}
		text, err := readFile(path)
		if err != nil {
			return id, err
		}
		defer clear(text)
		key, err := parseSeed(findSeed(text))
		if err != nil {
			return id, fmt.Errorf("%s: %w", path, err)
		}
		defer clear(key)
		id.NKey, id.Signature = publicKey(key), sign(key, nonce)
		return id, nil
	}
}

// Credentials identifies by the .creds file at path, as nsc writes it: a user's
// JWT, and the seed of the key that the JWT is for.
func Credentials(path string) Method {
	return func(_ context.Context, nonce string) (Identity, error) {
		id := Identity{Source: "the credentials file " + path}
		text, err := readFile(path)
		if err != nil {
			return id, err
		}
		defer clear(text)
		jwt, seed, err := splitCredentials(text)
		if err != nil {
			return id, fmt.Errorf("%s: %w", path, err)
		}
		if err := id.prove(jwt, seed, nonce); err != nil {
			return id, fmt.Errorf("%s: %w", path, err)
		}
		return id, nil
	}
}

// JWT identifies by a user's JWT and the seed of the key that it is for.
func JWT(jwt, seed string) Method {
	return func(_ context.Context, nonce string) (Identity, error) {
		id := Identity{Source: "the JWT and its seed"}
		return id, id.prove(jwt, []byte(seed), nonce)
	}
}

// prove sets the JWT and the signature that proves the possession of its key.
// A broker that sent no nonce wants neither.
func (id *Identity) prove(jwt string, seed []byte, nonce string) error {
	key, err := parseSeed(seed)
	if err != nil {
		return err
	}
	defer clear(key)
	if expired := expiry(jwt); expired != "" {
		id.Source += ", whose JWT expired at " + expired
	}
	if nonce != "" {
		id.JWT, id.Signature = jwt, sign(key, nonce)
	}
	return nil
}
