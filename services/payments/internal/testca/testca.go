// Package testca creates certificates for tests, and directories of certificates with the kubelet's structure.
package testca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var versions atomic.Int64

// URI returns the SPIFFE URI of a service of the shop.
func URI(service string) string { return "spiffe://cluster.local/ns/shop/sa/" + service }

// Authority issues certificates for services.
type Authority struct {
	PEM  []byte
	root *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Identity is a certificate and its key, in PEM.
type Identity struct{ Certificate, Key []byte }

// New creates a CA.
func New(t testing.TB) *Authority {
	t.Helper()
	key := newKey(t)
	// Each CA has its own name, which distinguishes a CA from its successor.
	root := template(pkix.Name{CommonName: fmt.Sprint("authority ", versions.Add(1))}, -time.Hour)
	root.IsCA, root.BasicConstraintsValid = true, true
	return &Authority{sign(t, root, root, key, key), root, key}
}

// Issue creates a certificate for a service's name and localhost, valid from one hour ago for two hours.
func (a *Authority) Issue(t testing.TB, service string) Identity {
	t.Helper()
	return a.IssueFor(t, service, -time.Hour, service+".shop.svc", "localhost")
}

// IssueFor creates a certificate for other names, valid for two hours from a start relative to now.
func (a *Authority) IssueFor(t testing.TB, service string, start time.Duration, names ...string) Identity {
	t.Helper()
	key := newKey(t)
	uri, err := url.Parse(URI(service))
	must(t, err)
	leaf := template(pkix.Name{}, start)
	leaf.URIs, leaf.DNSNames = []*url.URL{uri}, names
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return Identity{sign(t, leaf, a.root, key, a.key), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}
}

// Trusting returns a TLS configuration with this certificate and the given CAs, for clients and servers.
func (i Identity) Trusting(t testing.TB, authorities []byte) *tls.Config {
	t.Helper()
	pair, err := tls.X509KeyPair(i.Certificate, i.Key)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authorities)
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: pool,
		ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

// Publish replaces the files like the kubelet does: all at once, by replacing the symbolic link ..data.
func Publish(t testing.TB, directory string, own Identity, authorities []byte, clients ...string) {
	t.Helper()
	list := make([]string, 0, len(clients))
	for _, client := range clients {
		list = append(list, URI(client)+"\n")
	}
	files := map[string][]byte{
		"tls.crt": own.Certificate, "tls.key": own.Key, "ca.crt": authorities,
		"clients": []byte(strings.Join(list, "")),
	}
	version := fmt.Sprint("..", versions.Add(1))
	data, next := filepath.Join(directory, "..data"), filepath.Join(directory, "..data_tmp")
	before, _ := os.Readlink(data)
	must(t, os.Mkdir(filepath.Join(directory, version), 0o755))
	for name, content := range files {
		must(t, os.WriteFile(filepath.Join(directory, version, name), content, 0o600))
	}
	must(t, os.Symlink(version, next))
	must(t, os.Rename(next, data))
	if before != "" {
		must(t, os.RemoveAll(filepath.Join(directory, before)))
		return
	}
	for name := range files {
		must(t, os.Symlink(filepath.Join("..data", name), filepath.Join(directory, name)))
	}
}

func template(subject pkix.Name, start time.Duration) *x509.Certificate {
	begin := time.Now().Add(start)
	return &x509.Certificate{
		SerialNumber: big.NewInt(versions.Add(1)), Subject: subject, NotBefore: begin, NotAfter: begin.Add(2 * time.Hour),
	}
}

func sign(t testing.TB, certificate, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	signed, err := x509.CreateCertificate(rand.Reader, certificate, parent, &key.PublicKey, parentKey)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
