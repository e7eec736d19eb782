package auth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

const nonce = "PXoWU7zWAMt75FY"

// user returns a user's key, its seed and its public key, as nkeys makes them.
func user(t testing.TB) (key nkeys.KeyPair, seed, public string) {
	t.Helper()
	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	text, _ := key.Seed()
	public, _ = key.PublicKey()
	return key, string(text), public
}

// credentials returns a .creds file, as nsc makes it, for a JWT that expires.
func credentials(t testing.TB, expires time.Time) (file, seed, token string) {
	t.Helper()
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	_, seed, public := user(t)
	claims := jwt.NewUserClaims(public)
	if !expires.IsZero() {
		claims.Expires = expires.Unix()
	}
	token, err = claims.Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(token, []byte(seed))
	if err != nil {
		t.Fatal(err)
	}
	return string(text), seed, token
}

func write(t testing.TB, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// verify checks a signature with nkeys.
func verify(t *testing.T, key nkeys.KeyPair, signature string) {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Verify([]byte(nonce), raw); err != nil {
		t.Error(err)
	}
}

func TestNKey(t *testing.T) {
	for range 100 { // each seed has other bits
		key, seed, public := user(t)
		for _, file := range []string{seed, seed + "\n", "# made by nk\r\n\r\n" + seed + "\r\n" + public + "\r\n"} {
			id, err := NKey(write(t, file))(t.Context(), nonce)
			if err != nil {
				t.Fatal(err)
			}
			if id.NKey != public {
				t.Fatalf("public key %s, nkeys has %s", id.NKey, public)
			}
			verify(t, key, id.Signature)
		}
	}
}

func TestCredentials(t *testing.T) {
	file, seed, token := credentials(t, time.Now().Add(time.Hour))
	key, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{file, strings.ReplaceAll(file, "\n", "\r\n"), "\n\n" + file} {
		path := write(t, text)
		id, err := Credentials(path)(t.Context(), nonce)
		if err != nil {
			t.Fatal(err)
		}
		if id.JWT != token || id.NKey != "" || id.Source != "the credentials file "+path {
			t.Errorf("%+v", id)
		}
		verify(t, key, id.Signature)
	}
	id, err := JWT(token, seed)(t.Context(), nonce)
	if err != nil || id.JWT != token {
		t.Errorf("JWT: %v, %v", id, err)
	}
	verify(t, key, id.Signature)
}

// Credentials are renewed on disk while the client runs.
func TestFilesAreReadEachTime(t *testing.T) {
	_, one, first := user(t)
	_, two, second := user(t)
	path := write(t, one)
	method := NKey(path)
	if id, err := method(t.Context(), nonce); err != nil || id.NKey != first {
		t.Fatalf("%v, %v", id, err)
	}
	if err := os.WriteFile(path, []byte(two), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err := method(t.Context(), nonce); err != nil || id.NKey != second {
		t.Fatalf("after the renewal: %v, %v", id, err)
	}
}

// A broker that asks for no signature gets none.
func TestNoNonce(t *testing.T) {
	_, seed, _ := user(t)
	file, _, _ := credentials(t, time.Time{})
	for name, method := range map[string]Method{"NKey": NKey(write(t, seed)), "Credentials": Credentials(write(t, file))} {
		if id, err := method(t.Context(), ""); err != nil || id.NKey != "" || id.JWT != "" || id.Signature != "" || id.Source == "" {
			t.Errorf("%s: %v, %v", name, id, err)
		}
	}
}

func TestExpiredIsSaid(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	file, _, _ := credentials(t, at)
	id, err := Credentials(write(t, file))(t.Context(), nonce)
	if err != nil || !strings.HasSuffix(id.Source, ", whose JWT expired at 2026-01-02T03:04:05Z") || id.Signature == "" {
		t.Errorf("%v, %v", id, err)
	}
	for _, odd := range []string{"", "..", "a.b.c", "a.e30.c", "a." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":-1}`)) + ".c",
		"a." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":"x"}`)) + ".c"} {
		if got := expiry(odd); got != "" {
			t.Errorf("expiry(%q) = %q", odd, got)
		}
	}
}

func TestWrongFiles(t *testing.T) {
	file, seed, token := credentials(t, time.Time{})
	account, _ := nkeys.CreateAccount()
	accountSeed, _ := account.Seed()
	other := "A"
	if seed[20] == 'A' {
		other = "B"
	}
	mistyped := seed[:20] + other + seed[21:]
	for name, tc := range map[string]struct {
		text  string
		nkey  error // of NKey
		creds error // of Credentials
	}{
		"empty":              {"", ErrSeed, ErrCredentials},
		"an account's seed":  {string(accountSeed), ErrSeed, ErrCredentials},
		"a mistyped seed":    {mistyped, ErrSeed, ErrCredentials},
		"a seed cut short":   {seed[:40], ErrSeed, ErrCredentials},
		"a JWT alone":        {token, ErrSeed, ErrCredentials},
		"a seed alone":       {seed, nil, ErrCredentials},
		"creds, cut":         {file[:strings.Index(file, "SEED")], ErrSeed, ErrCredentials},
		"creds, mistyped":    {strings.Replace(file, seed, mistyped, 1), ErrSeed, ErrSeed},
		"creds in a row":     {strings.ReplaceAll(file, "\n", ""), ErrSeed, ErrCredentials},
		"something too long": {strings.Repeat("x", maxFile+1), ErrCredentials, ErrCredentials},
	} {
		path := write(t, tc.text)
		_, err := NKey(path)(t.Context(), nonce)
		checkError(t, name+", NKey", err, tc.nkey, path, seed, mistyped, string(accountSeed))
		_, err = Credentials(path)(t.Context(), nonce)
		checkError(t, name+", Credentials", err, tc.creds, path, seed, mistyped, string(accountSeed))
	}
	_, err := Credentials(filepath.Join(t.TempDir(), "gone"))(t.Context(), nonce)
	checkError(t, "no file", err, fs.ErrNotExist, "gone")
	_, err = NKey(t.TempDir())(t.Context(), nonce)
	if err == nil {
		t.Error("a directory is no seed")
	}
}

// checkError checks that err is want and tells the path, and no secret, not even
// a part of one.
func checkError(t *testing.T, name string, err, want error, path string, secrets ...string) {
	t.Helper()
	if !errors.Is(err, want) || err == nil && want != nil {
		t.Errorf("%s: %v, want %v", name, err, want)
	}
	if err == nil {
		return
	}
	if !strings.Contains(err.Error(), path) {
		t.Errorf("%s: %v does not name the file", name, err)
	}
	for _, s := range secrets {
		for i := 0; i+4 < len(s); i += 4 {
			if strings.Contains(err.Error(), s[i:i+4]) {
				t.Errorf("%s: %v shows a part of the seed", name, err)
			}
		}
	}
}

// Whoever logs an Identity, or what holds one, logs no secret.
func TestIdentityPrintsNoSecret(t *testing.T) {
	id := Identity{User: "s3cret", Password: "s3cret", Token: "s3cret", JWT: "s3cret", NKey: "s3cret", Signature: "s3cret", Source: "a test"}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "id", id)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "id", id)
	held := struct{ ID Identity }{id}
	for _, text := range []string{fmt.Sprint(id), fmt.Sprintf("%v %+v %#v %s %q", id, id, id, id, id),
		fmt.Sprintf("%v %+v %#v", held, held, held), fmt.Sprintf("%v %+v", Password("u", "s3cret"), Token("s3cret")), log.String()} {
		if strings.Contains(text, "s3cret") {
			t.Errorf("%s", text)
		}
	}
	if fmt.Sprint(id) != "a test" {
		t.Error(id)
	}
}

// FuzzSeed compares with nkeys: the same texts are seeds of users, and have the
// same public key.
func FuzzSeed(f *testing.F) {
	_, seed, _ := user(f)
	f.Add(seed)
	f.Add("")
	f.Add("SU\r\nA")
	f.Add(strings.ToLower(seed))
	f.Fuzz(func(t *testing.T, text string) {
		key, err := parseSeed([]byte(text))
		theirs, theirErr := nkeys.FromSeed([]byte(text))
		if theirErr == nil {
			if public, err := theirs.PublicKey(); err != nil || !strings.HasPrefix(public, "U") {
				theirErr = ErrSeed
			}
		}
		if (err == nil) != (theirErr == nil) {
			t.Fatalf("%q: %v, nkeys: %v", text, err, theirErr)
		}
		if err != nil {
			return
		}
		if public, _ := theirs.PublicKey(); publicKey(key) != public {
			t.Fatalf("%q: %s, nkeys: %s", text, publicKey(key), public)
		}
	})
}

// FuzzCredentials: no file makes it panic, and what it finds stands in the file.
func FuzzCredentials(f *testing.F) {
	file, _, _ := credentials(f, time.Now())
	f.Add(file)
	f.Add("---\na.b.c\n---\n---\nSU\n---")
	f.Fuzz(func(t *testing.T, text string) {
		jwt, seed, err := splitCredentials([]byte(text))
		if err != nil {
			if !errors.Is(err, ErrCredentials) {
				t.Fatal(err)
			}
			return
		}
		if !strings.Contains(text, jwt) || !strings.Contains(text, string(seed)) || jwt == "" || len(seed) == 0 {
			t.Fatalf("%q: %q and %q", text, jwt, seed)
		}
		_ = new(Identity).prove(jwt, seed, nonce)
	})
}
