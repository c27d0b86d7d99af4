package server_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"example.org/example-service/gen/notesv1"
	"example.org/example-service/internal/server"
	"example.org/example-service/internal/settings"
	"example.org/example-service/internal/testdb"
)

// service is a running server with its database.
type service struct {
	notesv1.NotesServiceClient
	connection *grpc.ClientConn
	database   *testdb.Database
	stop       context.CancelFunc
	ended      chan error
}

func startReady(t *testing.T) *service {
	t.Helper()
	s := start(t, testdb.Migrated(t), 5*time.Second)
	s.await(t, serving)
	return s
}

func start(t *testing.T, database *testdb.Database, longest time.Duration) *service {
	t.Helper()
	port := freePort(t)
	connection, err := grpc.NewClient(fmt.Sprintf("localhost:%d", port),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &service{notesv1.NewNotesServiceClient(connection), connection, database, stop, make(chan error, 1)}
	read := settings.Settings{GRPCPort: port, DatabaseURL: database.URL("app"), LongestCall: longest}
	go func() { s.ended <- server.Serve(ctx, read) }()
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

func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func (s *service) put(t *testing.T, id, text string) (*notesv1.PutNoteResponse, error) {
	t.Helper()
	return s.PutNote(within(t, 4*time.Second), &notesv1.PutNoteRequest{Id: id, Text: text})
}

func (s *service) get(t *testing.T, id string) (*notesv1.GetNoteResponse, error) {
	t.Helper()
	return s.GetNote(within(t, 4*time.Second), &notesv1.GetNoteRequest{Id: id})
}

// await returns when the health service reports a status, and fails after ten seconds.
func (s *service) await(t *testing.T, want grpc_health_v1.HealthCheckResponse_ServingStatus) {
	t.Helper()
	reports, end := s.watch(t)
	defer end()
	reports(want)
}

// watch watches the health status. The first returned function returns when a status is reported, and fails after ten
// seconds; the second ends the watch.
func (s *service) watch(t *testing.T) (func(grpc_health_v1.HealthCheckResponse_ServingStatus), context.CancelFunc) {
	t.Helper()
	ctx, end := context.WithTimeout(t.Context(), 10*time.Second)
	health := grpc_health_v1.NewHealthClient(s.connection)
	stream, err := health.Watch(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
	return func(want grpc_health_v1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for err == nil {
			var answer *grpc_health_v1.HealthCheckResponse
			if answer, err = stream.Recv(); err == nil && answer.GetStatus() == want {
				return
			}
		}
		t.Fatalf("waiting for %v: %v", want, err)
	}, end
}

// awaitNoQuery returns when no query waits for a lock.
func (s *service) awaitNoQuery(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(3 * time.Second); s.database.Waiting() > 0; {
		if time.Now().After(end) {
			t.Fatal("the query still waits for the lock")
		}
	}
}

// reflected returns the names of the services that server reflection lists.
func (s *service) reflected(t *testing.T) string {
	t.Helper()
	stream, err := grpc_reflection_v1.NewServerReflectionClient(s.connection).ServerReflectionInfo(within(t, 4*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	list := &grpc_reflection_v1.ServerReflectionRequest_ListServices{}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: list}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(answer.GetListServicesResponse().GetService())
}

func expect(t *testing.T, err error, code codes.Code, sentence string) {
	t.Helper()
	if status.Code(err) != code || !strings.Contains(status.Convert(err).Message(), sentence) {
		t.Errorf("want %v with %q, got %v", code, sentence, err)
	}
}
