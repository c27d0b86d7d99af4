package server_test

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	paymentsv1 "freehold.dev/shop/payments/gen/shop/payments/v1"
	"freehold.dev/shop/payments/internal/config"
	"freehold.dev/shop/payments/internal/identity"
	"freehold.dev/shop/payments/internal/testca"
	"freehold.dev/shop/payments/internal/testdb"
)

// guarded is a payments service that admits calls of the storefront only.
type guarded struct {
	*shop
	authority  *testca.Authority
	directory  string
	address    string
	storefront testca.Identity
}

func startGuarded(t *testing.T) *guarded {
	t.Helper()
	authority, directory, port, health := testca.New(t), t.TempDir(), freePort(t), freePort(t)
	testca.Publish(t, directory, authority.Issue(t, "payments"), authority.PEM, "storefront")
	database := testdb.Migrated(t)
	known, target := startPeople(t)
	s := serve(t, database, known, health, config.Settings{
		GRPCPort: port, GRPCHealthPort: health, GRPCIdentity: identity.Directory(directory),
		DatabaseURL: database.URL("app"), UsersTarget: target,
	})
	s.await(t, serving)
	return &guarded{s, authority, directory, fmt.Sprintf("localhost:%d", port), authority.Issue(t, "storefront")}
}

func (g *guarded) connect(t *testing.T, transport credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	connection, err := grpc.NewClient(g.address, grpc.WithTransportCredentials(transport))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// call makes a call over a new connection.
func (g *guarded) call(t *testing.T, transport credentials.TransportCredentials) error {
	t.Helper()
	connection := g.connect(t, transport)
	defer func() { _ = connection.Close() }()
	return list(t, connection)
}

func list(t *testing.T, connection *grpc.ClientConn) error {
	t.Helper()
	_, err := paymentsv1.NewPaymentsServiceClient(connection).ListPayments(within(t, 5*time.Second),
		&paymentsv1.ListPaymentsRequest{})
	return err
}

func reflect(t *testing.T, connection *grpc.ClientConn) error {
	t.Helper()
	stream, err := grpc_reflection_v1.NewServerReflectionClient(connection).ServerReflectionInfo(within(t, 5*time.Second))
	if err != nil {
		return err
	}
	_ = stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	}) // Recv returns the error
	_, err = stream.Recv()
	return err
}

func check(t *testing.T, connection *grpc.ClientConn) error {
	t.Helper()
	_, err := grpc_health_v1.NewHealthClient(connection).Check(within(t, 5*time.Second),
		&grpc_health_v1.HealthCheckRequest{})
	return err
}

// Clients with an invalid certificate fail in the handshake; clients not on the list get PermissionDenied.
func TestOnlyListedClientsMayCall(t *testing.T) {
	g := startGuarded(t)
	from := func(client testca.Identity) *tls.Config { return client.Trusting(t, g.authority.PEM) }
	bare, old := from(g.storefront), from(g.storefront)
	bare.Certificates, old.MaxVersion = nil, tls.VersionTLS12
	for what, one := range map[string]struct {
		transport credentials.TransportCredentials
		want      codes.Code
	}{
		"on the list":       {credentials.NewTLS(from(g.storefront)), codes.OK},
		"not on the list":   {credentials.NewTLS(from(g.authority.Issue(t, "invoices"))), codes.PermissionDenied},
		"no certificate":    {credentials.NewTLS(bare), codes.Unavailable},
		"no TLS":            {insecure.NewCredentials(), codes.Unavailable},
		"TLS 1.2":           {credentials.NewTLS(old), codes.Unavailable},
		"another authority": {credentials.NewTLS(from(testca.New(t).Issue(t, "storefront"))), codes.Unavailable},
		"expired": {
			credentials.NewTLS(from(g.authority.IssueFor(t, "storefront", -3*time.Hour))), codes.Unavailable,
		},
		"not yet valid": {
			credentials.NewTLS(from(g.authority.IssueFor(t, "storefront", time.Hour))), codes.Unavailable,
		},
	} {
		t.Run(what, func(t *testing.T) { expect(t, g.call(t, one.transport), one.want, "") })
	}
}

// A refusal names the fix, and applies to health and reflection too.
func TestRefusalMessageAndScope(t *testing.T) {
	g := startGuarded(t)
	storefront := g.connect(t, credentials.NewTLS(g.storefront.Trusting(t, g.authority.PEM)))
	invoices := g.connect(t, credentials.NewTLS(g.authority.Issue(t, "invoices").Trusting(t, g.authority.PEM)))
	for _, call := range []func(*testing.T, *grpc.ClientConn) error{list, reflect, check} {
		expect(t, call(t, storefront), codes.OK, "")
		expect(t, call(t, invoices), codes.PermissionDenied, "spiffe://cluster.local/ns/shop/sa/invoices may not "+
			"call payments; under Freehold, list payments in its spec.consumes")
	}
}

// A changed list applies to the next call of an open connection.
func TestClientListIsReadPerCall(t *testing.T) {
	g := startGuarded(t)
	own := g.authority.Issue(t, "payments")
	connection := g.connect(t, credentials.NewTLS(g.storefront.Trusting(t, g.authority.PEM)))
	expect(t, list(t, connection), codes.OK, "")
	testca.Publish(t, g.directory, own, g.authority.PEM)
	expect(t, list(t, connection), codes.PermissionDenied, "")
	testca.Publish(t, g.directory, own, g.authority.PEM, "invoices", "storefront")
	expect(t, list(t, connection), codes.OK, "")
	if err := os.Remove(filepath.Join(g.directory, "clients")); err != nil {
		t.Fatal(err)
	}
	expect(t, list(t, connection), codes.Unavailable, "payments cannot read its list of clients")
}

// The CA and all certificates are replaced without a failed call.
func TestRotationFailsNoCall(t *testing.T) {
	g := startGuarded(t)
	successor := testca.New(t)
	both := slices.Concat(g.authority.PEM, successor.PEM)
	transport := atomic.Pointer[tls.Config]{}
	transport.Store(g.storefront.Trusting(t, g.authority.PEM))
	lasting := g.connect(t, credentials.NewTLS(transport.Load()))
	expect(t, list(t, lasting), codes.OK, "")
	called, stop := make(chan error), make(chan struct{})
	go func() {
		defer close(called)
		for {
			select {
			case called <- g.call(t, credentials.NewTLS(transport.Load())):
			case <-stop:
				return
			}
		}
	}()
	// The order of a rotation: both CAs are trusted before the first certificate of the new CA is used.
	for _, version := range []struct {
		by      *testca.Authority
		trusted []byte
	}{{g.authority, g.authority.PEM}, {g.authority, both}, {successor, both}, {successor, successor.PEM}} {
		testca.Publish(t, g.directory, version.by.Issue(t, "payments"), version.trusted, "storefront")
		transport.Store(version.by.Issue(t, "storefront").Trusting(t, version.trusted))
		for range 10 {
			expect(t, <-called, codes.OK, "")
		}
	}
	close(stop)
	for err := range called {
		expect(t, err, codes.OK, "")
	}
	expect(t, list(t, lasting), codes.OK, "") // the connection is still open
	outdated := g.storefront.Trusting(t, both)
	expect(t, g.call(t, credentials.NewTLS(outdated)), codes.Unavailable, "")
}

// The health port serves health in plaintext, and no other service.
func TestHealthPortIsPlaintext(t *testing.T) {
	g := startGuarded(t) // its connection uses the health port
	expect(t, list(t, g.connection), codes.Unimplemented, "")
	expect(t, reflect(t, g.connection), codes.Unimplemented, "")
}
