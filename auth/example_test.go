package auth_test

import (
	"context"
	"fmt"
	"os"

	"vigil/auth"
	"vigil/subscriber"
)

// The file is read again at each attempt to connect.
func ExampleCredentials() {
	_, err := subscriber.Connect(context.Background(), "tls://127.0.0.1:1", subscriber.Config{
		Auth: auth.Credentials("/etc/app/app.creds"),
	})
	fmt.Println(err)
	// Output:
	// link: connect tls://127.0.0.1:1: connection refused; is a broker listening there?
}

// A Method of one's own: here a token that another program keeps in a file.
func ExampleMethod() {
	var method auth.Method = func(context.Context, string) (auth.Identity, error) {
		token, err := os.ReadFile("/run/secrets/token")
		return auth.Identity{Token: string(token), Source: "/run/secrets/token"}, err
	}
	_, err := method(context.Background(), "")
	fmt.Println(err)
	// Output:
	// open /run/secrets/token: no such file or directory
}
