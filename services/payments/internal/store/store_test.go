package store_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"freehold.dev/shop/payments/internal/store"
	"freehold.dev/shop/payments/internal/testca"
)

// The CA file in the database URL is read again for each connection.
func TestDatabaseCAIsReloaded(t *testing.T) {
	authority, bundle := testca.New(t), filepath.Join(t.TempDir(), "ca.crt")
	port, shaken := startDatabase(t, authority.Issue(t, "payments-database").Trusting(t, authority.PEM))
	trust := func(authority *testca.Authority) {
		if err := os.WriteFile(bundle, authority.PEM, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trust(testca.New(t))
	payments, err := store.Open(fmt.Sprintf(
		"postgresql://payments:correct-horse@localhost:%d/payments?sslmode=verify-full&sslrootcert=%s", port, bundle))
	if err != nil {
		t.Fatal(err)
	}
	defer payments.Close()

	ended := make(chan error, 1)
	go func() { ended <- payments.Ping(t.Context()) }() // retries, because no connection succeeds
	if err := <-shaken; err == nil {
		t.Error("the client trusts another CA than the one in the file")
	}
	trust(authority)
	for err = errors.New("not yet"); err != nil; {
		select {
		case err = <-shaken:
		case <-ended:
			t.Fatalf("the client does not trust the CA that is now in the file: %v", err)
		}
	}
}

// startDatabase runs a server that accepts PostgreSQL connections and closes them after the TLS handshake; the channel
// has the result of each handshake.
func startDatabase(t *testing.T, server *tls.Config) (int, <-chan error) {
	t.Helper()
	server.ClientAuth = tls.NoClientCert
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	shaken := make(chan error, 10)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(connection, make([]byte, 8)) // SSLRequest
			_, _ = connection.Write([]byte("S"))
			shaken <- tls.Server(connection, server).Handshake()
			_ = connection.Close()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port, shaken
}
