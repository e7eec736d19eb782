// Package pki makes certificates on the fly, for tests of TLS. They are valid for
// a day around the time at which they are made, also in a bubble of
// testing/synctest, whose clock stands in the year 2000.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority is a CA. Its methods end the test when something fails.
type Authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	last int64 // serial number
}

// New makes a CA.
func New(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t}
	a.key = a.newKey()
	template := a.template("a CA for tests")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	a.must(err)
	return a
}

// Pool returns the pool that holds the CA alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Issue makes a certificate for servers or clients of these names or IP
// addresses, the first of which is its common name as well.
func (a *Authority) Issue(names ...string) tls.Certificate {
	a.t.Helper()
	key := a.newKey()
	template := a.template(names[0])
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	a.must(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Server returns the configuration of a server with a certificate for these
// names.
func (a *Authority) Server(names ...string) *tls.Config {
	a.t.Helper()
	return &tls.Config{Certificates: []tls.Certificate{a.Issue(names...)}}
}

// Client returns the configuration of a client that trusts the CA.
func (a *Authority) Client() *tls.Config { return &tls.Config{RootCAs: a.Pool()} }

// WriteCA writes the CA's certificate to a file and returns its path.
func (a *Authority) WriteCA() string {
	a.t.Helper()
	return a.write("ca.pem", "CERTIFICATE", a.cert.Raw)
}

// Write writes a certificate and its key to files and returns their paths.
func (a *Authority) Write(cert tls.Certificate) (certFile, keyFile string) {
	a.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	a.must(err)
	return a.write("cert.pem", "CERTIFICATE", cert.Certificate[0]), a.write("key.pem", "PRIVATE KEY", der)
}

func (a *Authority) write(name, kind string, der []byte) (path string) {
	path = filepath.Join(a.t.TempDir(), name)
	a.must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

func (a *Authority) template(name string) *x509.Certificate {
	a.last++
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(a.last), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-12 * time.Hour), NotAfter: now.Add(12 * time.Hour),
	}
}

func (a *Authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	return key
}

func (a *Authority) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}
