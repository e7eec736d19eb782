package link

import (
	"context"
	"fmt"
	"strings"

	"vigil/auth"
	"vigil/internal/wire"
)

// AuthError says why the client is not authorized. Its text says what to look
// at, and holds no secret.
type AuthError struct {
	// Source names what was offered, as auth.Identity does; empty if nothing was.
	Source string
	// Text is what the broker said in -ERR, without quotes; empty if it was not
	// asked, because of Err.
	Text string
	// Err is why the credentials could not be had.
	Err error
}

// Error returns the reason and what to do about it.
func (e *AuthError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("cannot use %s: %v", e.Source, e.Err)
	case e.Source == "":
		return fmt.Sprintf("the broker says '%s'; it wants credentials and got none: a user and password, a token, a seed or a .creds file", e.Text)
	}
	return fmt.Sprintf("the broker says '%s'; check %s", e.Text, e.Source)
}

// Unwrap returns Err.
func (e *AuthError) Unwrap() error { return e.Err }

// identify puts into connect who we are: what the server's URL says, else
// Config.Auth.
func (l *Link) identify(ctx context.Context, c *conn, connect *wire.ConnectLine) error {
	id, err := c.server.identity(), error(nil)
	if id == (auth.Identity{}) && l.cfg.Auth != nil {
		id, err = l.cfg.Auth(ctx, c.info.Nonce)
	}
	c.identity = id.Source
	if err != nil {
		c.giveUp(&Loss{Cause: CauseAuth, Err: &AuthError{Source: id.Source, Err: err}})
		return c.loss
	}
	connect.User, connect.Pass, connect.AuthToken = id.User, id.Password, id.Token
	connect.NKey, connect.JWT, connect.Signature = id.NKey, id.JWT, id.Signature
	return nil
}

// identity returns what the URL says of who we are.
func (s server) identity() auth.Identity {
	switch {
	case s.token != "":
		return auth.Identity{Token: s.token, Source: "the token in the URL"}
	case s.user != "":
		return auth.Identity{User: s.user, Password: s.pass, Source: "the user and password in the URL"}
	}
	return auth.Identity{}
}

// refused returns the loss that an -ERR means after which a broker closes.
func (c *conn) refused(text string, err error) *Loss {
	if isAboutAuth(text) {
		return &Loss{Cause: CauseAuth, Text: text, Err: &AuthError{Source: c.identity, Text: text}}
	}
	return &Loss{Cause: CauseServerError, Text: text, Err: err}
}

// isAboutAuth reports whether a broker says that we are not authorized, or not
// any more: "Authorization Violation", "Authentication Timeout", "User
// Authentication Expired", "User Authentication Revoked", "Account
// Authentication Expired".
func isAboutAuth(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "authorization violation") || strings.Contains(text, "authentication ")
}
