// Tests of the contract and of the server process, over a connection and with a database.
package server_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"example.org/example-service/gen/notesv1"
	"example.org/example-service/internal/testdb"
)

const (
	serving    = grpc_health_v1.HealthCheckResponse_SERVING
	notServing = grpc_health_v1.HealthCheckResponse_NOT_SERVING
)

// A note has the text that was stored last.
func TestPutNoteReplaces(t *testing.T) {
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

// An unknown id is refused with NotFound.
func TestGetNoteNotFound(t *testing.T) {
	_, err := startReady(t).get(t, "absent")
	expect(t, err, codes.NotFound, "no note has the id absent")
}

// An invalid request is refused with a message about the field.
func TestInvalidRequestIsRefused(t *testing.T) {
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

// The trailing metadata of a response has the name of the server.
func TestResponseNamesServer(t *testing.T) {
	var trailer metadata.MD
	_, err := startReady(t).GetNote(t.Context(), &notesv1.GetNoteRequest{Id: "absent"}, grpc.Trailer(&trailer))
	if status.Code(err) != codes.NotFound || len(trailer.Get("served-by")) != 1 {
		t.Errorf("error %v, trailer %v", err, trailer)
	}
}

// A server without its database listens with status NOT_SERVING and becomes SERVING with the database.
func TestListensWithoutDatabase(t *testing.T) {
	database := testdb.Migrated(t)
	database.Stop()
	s := start(t, database, 5*time.Second)
	s.await(t, notServing)
	if names := s.reflected(t); !strings.Contains(names, notesv1.NotesService_ServiceDesc.ServiceName) {
		t.Errorf("reflection names %s", names)
	}
	_, err := s.get(t, "any")
	expect(t, err, codes.Unavailable, "does not answer; try again shortly")
	database.Resume()
	s.await(t, serving)
}

// A database outage changes the health status; afterwards the server works without a restart.
func TestServesAfterDatabaseOutage(t *testing.T) {
	s := startReady(t)
	if _, err := s.put(t, "before", "text"); err != nil {
		t.Fatal(err)
	}
	s.database.Stop()
	s.await(t, notServing)
	s.database.Resume()
	s.await(t, serving)
	if _, err := s.get(t, "before"); err != nil {
		t.Error(err)
	}
}

// Calls during a short outage are retried.
func TestShortDatabaseOutageFailsNoCall(t *testing.T) {
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
		s.database.Stop()
		time.Sleep(400 * time.Millisecond)
		s.database.Resume()
		if _, err := s.get(t, "absent"); status.Code(err) != codes.NotFound {
			t.Error(err)
		}
	}
	close(back)
	calls.Wait()
}

// A call ends at its deadline, and its query is cancelled.
func TestDeadlineEndsQuery(t *testing.T) {
	s := startReady(t)
	defer s.database.Lock("notes")()
	_, err := s.GetNote(within(t, 300*time.Millisecond), &notesv1.GetNoteRequest{Id: "any"})
	expect(t, err, codes.DeadlineExceeded, "")
	s.awaitNoQuery(t)
}

// The latency budget limits a call, and its query is cancelled.
func TestLatencyBudgetEndsQuery(t *testing.T) {
	s := start(t, testdb.Migrated(t), 300*time.Millisecond)
	s.await(t, serving)
	defer s.database.Lock("notes")()
	_, err := s.get(t, "any")
	expect(t, err, codes.DeadlineExceeded, "could not answer in the time allowed; try again")
	s.awaitNoQuery(t)
}

// After a stop, the health status is NOT_SERVING and running calls end normally.
func TestShutdownFinishesRunningCall(t *testing.T) {
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
	reports, end := s.watch(t)
	reports(serving)
	s.stop()
	reports(notServing)
	end()
	unlock()
	expect(t, <-answered, codes.NotFound, "absent")
	if err := <-s.ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
