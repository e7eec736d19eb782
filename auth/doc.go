// Package auth says who a client is, to a broker that wants to know.
//
//	sub, err := subscriber.Connect(ctx, "tls://broker.example", subscriber.Config{
//		Auth: auth.Credentials("/etc/app/app.creds"),
//	})
//
// A [Method] is asked anew at each attempt to connect. Those that name a file
// read it each time, so that credentials which were renewed on disk are used by
// the next connection, and keep nothing of it in memory.
//
//	Password       user and password
//	Token          a token
//	NKey           an Ed25519 seed in a file: signs what the broker asks
//	Credentials    a .creds file: a JWT, and the seed that it belongs to
//	JWT            both of them, as values
//
// A user and password, or a token, may stand in a server's URL as well; for that
// server, and for those that brokers announce, they go before a Method.
//
// Passwords and tokens go to the broker as they are: without TLS whoever is on
// the way reads them. A seed never leaves the process, what goes is a signature
// of the nonce that the broker chose.
//
// No error holds a secret, and an [Identity] does not print any.
//
// # Sources
//
// The NATS client protocol: user, pass, auth_token, nkey, jwt and sig of CONNECT,
// nonce of INFO. The encoding of keys is that of github.com/nats-io/nkeys
// (Ed25519, RFC 8032; base32, RFC 4648; CRC-16/XMODEM), against which it is
// tested.
package auth
