package server_test

import (
	"context"
	"crypto/tls"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	"freehold.dev/shop/payments/internal/identity"
	"freehold.dev/shop/payments/internal/testca"
	"freehold.dev/shop/payments/internal/users"
)

func dial(t *testing.T, target, directory string) *users.Client {
	t.Helper()
	client, err := users.Dial(target, identity.Directory(directory), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// The server certificate must be valid, of a trusted CA and for the name in the target.
func TestUsersCertificateIsVerified(t *testing.T) {
	authority, directory := testca.New(t), t.TempDir()
	testca.Publish(t, directory, authority.Issue(t, "payments"), authority.PEM)
	as := func(server testca.Identity) *tls.Config { return server.Trusting(t, authority.PEM) }
	old := as(authority.Issue(t, "users"))
	old.MaxVersion = tls.VersionTLS12
	for what, one := range map[string]struct {
		server *tls.Config
		want   codes.Code
	}{
		"users":             {as(authority.Issue(t, "users")), codes.OK},
		"another name":      {as(authority.IssueFor(t, "users", -time.Hour, "users.shop.svc")), codes.Unavailable},
		"another authority": {as(testca.New(t).Issue(t, "users")), codes.Unavailable},
		"expired":           {as(authority.IssueFor(t, "users", -3*time.Hour, "localhost")), codes.Unavailable},
		"not yet valid":     {as(authority.IssueFor(t, "users", time.Hour, "localhost")), codes.Unavailable},
		"TLS 1.2":           {old, codes.Unavailable},
		"no TLS":            {nil, codes.Unavailable},
	} {
		t.Run(what, func(t *testing.T) {
			var options []grpc.ServerOption
			if one.server != nil {
				options = append(options, grpc.Creds(credentials.NewTLS(one.server)))
			}
			people, target := startPeople(t, options...)
			client := dial(t, target, directory)
			expect(t, client.Check(within(t, 2*time.Second), uuid.MustParse(people.known)), one.want, "")
		})
	}
}

// The CA and all certificates of both sides are replaced without a failed call.
func TestClientRotationFailsNoCall(t *testing.T) {
	before, after, own := testca.New(t), testca.New(t), t.TempDir()
	var server atomic.Pointer[tls.Config]
	both := slices.Concat(before.PEM, after.PEM)
	publish := func(by *testca.Authority, trusted []byte) {
		testca.Publish(t, own, by.Issue(t, "payments"), trusted)
		server.Store(by.Issue(t, "users").Trusting(t, trusted))
	}
	publish(before, before.PEM)
	transport := credentials.NewTLS(&tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return server.Load(), nil },
	})
	callers := make(chan string, 1000)
	people, target := startPeople(t, grpc.Creds(transport),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 20 * time.Millisecond}),
		grpc.InTapHandle(func(ctx context.Context, _ *tap.Info) (context.Context, error) {
			from, _ := peer.FromContext(ctx)
			callers <- from.Addr.String()
			return ctx, nil
		}))
	client := dial(t, target, own)
	callOverNewConnections := func() {
		for seen := map[string]bool{}; len(seen) < 4; seen[<-callers] = true {
			if err := client.Check(within(t, 2*time.Second), uuid.MustParse(people.known)); err != nil {
				t.Fatal(err)
			}
		}
	}
	callOverNewConnections()
	// The order of a rotation: both CAs are trusted before the first certificate of the new CA is used.
	publish(before, both)
	callOverNewConnections()
	publish(after, both)
	callOverNewConnections()
	publish(after, after.PEM)
	callOverNewConnections()
}
