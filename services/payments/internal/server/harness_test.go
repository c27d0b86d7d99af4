package server_test

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	paymentsv1 "freehold.dev/shop/payments/gen/shop/payments/v1"
	usersv1 "freehold.dev/shop/payments/gen/shop/users/v1"
	"freehold.dev/shop/payments/internal/config"
	"freehold.dev/shop/payments/internal/server"
	"freehold.dev/shop/payments/internal/testdb"
)

// people is a users service with one person.
type people struct {
	usersv1.UnimplementedUsersServiceServer
	server  *grpc.Server
	known   string
	allowed atomic.Int64 // the time until the deadline of the last call
	calls   atomic.Int64 // the number of calls
	away    atomic.Bool  // whether calls fail with UNAVAILABLE
	hangs   atomic.Bool  // whether calls get no response
	ended   chan error   // the end of each call without a response
}

func startPeople(t *testing.T, options ...grpc.ServerOption) (*people, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &people{server: grpc.NewServer(options...), known: uuid.NewString(), ended: make(chan error, 10)}
	usersv1.RegisterUsersServiceServer(p.server, p)
	go func() { _ = p.server.Serve(listener) }()
	t.Cleanup(p.server.Stop)
	return p, fmt.Sprintf("localhost:%d", listener.Addr().(*net.TCPAddr).Port)
}

func (p *people) GetUser(ctx context.Context, request *usersv1.GetUserRequest) (*usersv1.GetUserResponse, error) {
	if deadline, ok := ctx.Deadline(); ok {
		p.allowed.Store(int64(time.Until(deadline)))
	}
	p.calls.Add(1)
	if p.away.Load() {
		return nil, status.Error(codes.Unavailable, "users is unavailable")
	}
	if p.hangs.Load() {
		<-ctx.Done()
		p.ended <- ctx.Err()
		return nil, ctx.Err()
	}
	if request.GetId() != p.known {
		return nil, status.Error(codes.NotFound, "no user has this id")
	}
	return &usersv1.GetUserResponse{User: &usersv1.User{Id: p.known}}, nil
}

// shop is a running payments service with its database and a users service.
type shop struct {
	paymentsv1.PaymentsServiceClient
	connection *grpc.ClientConn
	database   *testdb.Database
	people     *people
	health     grpc_health_v1.HealthClient
	stop       context.CancelFunc
	ended      chan error
}

// start runs a server with a maximum duration of calls; the default if 0.
func start(t *testing.T, database *testdb.Database, longest time.Duration) *shop {
	t.Helper()
	known, target := startPeople(t)
	port := freePort(t)
	return serve(t, database, known, port, config.Settings{
		GRPCPort: port, DatabaseURL: database.URL("app"), UsersTarget: target, LongestCall: longest,
	})
}

// serve runs a server, and connects to a port with plaintext.
func serve(t *testing.T, database *testdb.Database, known *people, plain int, settings config.Settings) *shop {
	t.Helper()
	connection, err := grpc.NewClient(fmt.Sprintf("localhost:%d", plain),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	settings.LongestCall = cmp.Or(settings.LongestCall, config.LongestCall)
	ctx, stop := context.WithCancel(context.Background())
	s := &shop{
		paymentsv1.NewPaymentsServiceClient(connection), connection, database, known,
		grpc_health_v1.NewHealthClient(connection), stop, make(chan error, 1),
	}
	go func() { s.ended <- server.Serve(ctx, settings) }()
	t.Cleanup(func() { stop(); _ = connection.Close() })
	return s
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

func startReady(t *testing.T) *shop {
	t.Helper()
	return startReadyWithin(t, 0)
}

func startReadyWithin(t *testing.T, longest time.Duration) *shop {
	t.Helper()
	s := start(t, testdb.Migrated(t), longest)
	s.await(t, grpc_health_v1.HealthCheckResponse_SERVING)
	return s
}

// await returns when the health service reports a status, and fails after ten seconds.
func (s *shop) await(t *testing.T, want grpc_health_v1.HealthCheckResponse_ServingStatus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	stream, err := s.health.Watch(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
	for err == nil {
		var answer *grpc_health_v1.HealthCheckResponse
		if answer, err = stream.Recv(); err == nil && answer.GetStatus() == want {
			return
		}
	}
	t.Fatalf("waiting for %v: %v", want, err)
}

func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func (s *shop) pay(t *testing.T, user, key string, cents int64, options ...grpc.CallOption) (
	*paymentsv1.MakePaymentResponse, error,
) {
	t.Helper()
	return s.MakePayment(within(t, 4*time.Second), &paymentsv1.MakePaymentRequest{
		UserId: user, IdempotencyKey: key, Amount: &paymentsv1.Money{Currency: "EUR", MinorUnits: cents},
	}, options...)
}
