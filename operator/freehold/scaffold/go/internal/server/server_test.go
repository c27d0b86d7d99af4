// What a client sees, over a real connection and a real database.
package server_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"example.org/example-service/gen/notesv1"
	"example.org/example-service/internal/server"
	"example.org/example-service/internal/settings"
	"example.org/example-service/internal/testdb"
)

const (
	serving    = grpc_health_v1.HealthCheckResponse_SERVING
	notServing = grpc_health_v1.HealthCheckResponse_NOT_SERVING
)

func TestANoteIsReadAsItWasWrittenLast(t *testing.T) {
	s := startReady(t)
	for _, text := range []string{"milk", "milk and bread", "milk and bread"} {
		put, err := s.put(t, "shopping", text)
		if err != nil || put.GetNote().GetText() != text {
			t.Fatalf("put %v, error %v", put, err)
		}
		got, err := s.get(t, "shopping")
		if err != nil || got.GetNote().GetId() != "shopping" || got.GetNote().GetText() != text {
			t.Errorf("got %v, error %v", got, err)
		}
	}
}

func TestThereIsNoNoteThatNobodyWrote(t *testing.T) {
	_, err := startReady(t).get(t, "absent")
	expect(t, err, codes.NotFound, "no note has the id absent")
}

func TestWhatCannotBeMeantIsRefusedWithASentence(t *testing.T) {
	s := startReady(t)
	for want, note := range map[string]*notesv1.Note{
		"id must have 1 to 100 characters":           {Text: "t"},
		"none of them a control character; it has 1": {Id: "\n", Text: "t"},
		"it has 101":                     {Id: strings.Repeat("ä", 101), Text: "t"},
		"text must have 1 to 10000":      {Id: "i"},
		"none of them NUL; it has 1":     {Id: "i", Text: "\x00"},
		"none of them NUL; it has 10001": {Id: "i", Text: strings.Repeat("ä", 10001)},
	} {
		_, err := s.put(t, note.GetId(), note.GetText())
		expect(t, err, codes.InvalidArgument, want)
	}
	_, err := s.get(t, "")
	expect(t, err, codes.InvalidArgument, "id must have 1 to 100 characters")
}

func TestEachAnswerSaysWhoGaveIt(t *testing.T) {
	var trailer metadata.MD
	_, err := startReady(t).GetNote(t.Context(), &notesv1.GetNoteRequest{Id: "absent"}, grpc.Trailer(&trailer))
	if status.Code(err) != codes.NotFound || len(trailer.Get("served-by")) != 1 {
		t.Errorf("error %v, trailer %v", err, trailer)
	}
}

func TestItListensBeforeItsDatabaseIsThere(t *testing.T) {
	database := testdb.Migrated(t)
	database.GoAway()
	s := start(t, database, 5*time.Second)
	s.await(t, notServing)
	if names := s.reflected(t); !strings.Contains(names, notesv1.NotesService_ServiceDesc.ServiceName) {
		t.Errorf("reflection names %s", names)
	}
	_, err := s.get(t, "any")
	expect(t, err, codes.Unavailable, "does not answer; try again shortly")
	database.ComeBack()
	s.await(t, serving)
}

func TestItServesAgainAfterItsDatabaseWasAway(t *testing.T) {
	s := startReady(t)
	if _, err := s.put(t, "before", "text"); err != nil {
		t.Fatal(err)
	}
	s.database.GoAway()
	s.await(t, notServing)
	s.database.ComeBack()
	s.await(t, serving)
	if _, err := s.get(t, "before"); err != nil {
		t.Error(err)
	}
}

func TestADatabaseThatIsAwayForAMomentFailsNoCall(t *testing.T) {
	s, back := startReady(t), make(chan struct{})
	call := func(caller int) {
		for number := 0; ; number++ {
			id := fmt.Sprint(caller, "-", number)
			if _, err := s.put(t, id, "t"); err != nil {
				t.Error(err)
			}
			if _, err := s.get(t, id); err != nil {
				t.Error(err)
			}
			select {
			case <-back:
				return
			default:
			}
		}
	}
	var calls sync.WaitGroup
	for caller := range 8 {
		calls.Go(func() { call(caller) })
	}
	for range 3 {
		s.database.GoAway()
		time.Sleep(400 * time.Millisecond)
		s.database.ComeBack()
		if _, err := s.get(t, "absent"); status.Code(err) != codes.NotFound {
			t.Error(err)
		}
	}
	close(back)
	calls.Wait()
}

func TestACallEndsWithItsDeadlineAndSoDoesItsQuery(t *testing.T) {
	s := startReady(t)
	defer s.database.Lock("notes")()
	_, err := s.GetNote(within(t, 300*time.Millisecond), &notesv1.GetNoteRequest{Id: "any"})
	expect(t, err, codes.DeadlineExceeded, "")
	s.awaitNoQuery(t)
}

func TestACallEndsWithTheLatencyBudgetAndSoDoesItsQuery(t *testing.T) {
	s := start(t, testdb.Migrated(t), 300*time.Millisecond)
	s.await(t, serving)
	defer s.database.Lock("notes")()
	_, err := s.get(t, "any")
	expect(t, err, codes.DeadlineExceeded, "could not answer in the time allowed; try again")
	s.awaitNoQuery(t)
}

func TestACallUnderWayEndsWellWhenTheServerIsToldToStop(t *testing.T) {
	s := startReady(t)
	unlock := s.database.Lock("notes")
	answered := make(chan error, 1)
	ctx := within(t, 4*time.Second)
	go func() {
		_, err := s.GetNote(ctx, &notesv1.GetNoteRequest{Id: "absent"})
		answered <- err
	}()
	for s.database.Waiting() == 0 {
		if ctx.Err() != nil {
			t.Fatal("the call never reached the database")
		}
	}
	said, end := s.watch(t)
	said(serving)
	s.stop()
	said(notServing)
	end()
	unlock()
	expect(t, <-answered, codes.NotFound, "absent")
	if err := <-s.ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// service is a running server with all it needs.
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

// await returns once the health service says so, and fails after ten seconds.
func (s *service) await(t *testing.T, want grpc_health_v1.HealthCheckResponse_ServingStatus) {
	t.Helper()
	said, end := s.watch(t)
	defer end()
	said(want)
}

// watch asks the health service until it is told to end. The first function returns once the answer is so, and fails
// after ten seconds.
func (s *service) watch(t *testing.T) (func(grpc_health_v1.HealthCheckResponse_ServingStatus), context.CancelFunc) {
	t.Helper()
	ctx, end := context.WithTimeout(t.Context(), 10*time.Second)
	health := grpc_health_v1.NewHealthClient(s.connection)
	stream, err := health.Watch(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
	return func(want grpc_health_v1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for err == nil {
			var said *grpc_health_v1.HealthCheckResponse
			if said, err = stream.Recv(); err == nil && said.GetStatus() == want {
				return
			}
		}
		t.Fatalf("waiting for %v: %v", want, err)
	}, end
}

// awaitNoQuery returns once no query waits for a lock.
func (s *service) awaitNoQuery(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(3 * time.Second); s.database.Waiting() > 0; {
		if time.Now().After(end) {
			t.Fatal("its query still waits for the lock")
		}
	}
}

// reflected is the names of the services that the server says it has.
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
