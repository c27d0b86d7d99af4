package server_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"

	paymentsv1 "freehold.dev/shop/payments/gen/shop/payments/v1"
	"freehold.dev/shop/payments/internal/testdb"
)

const (
	serving    = grpc_health_v1.HealthCheckResponse_SERVING
	notServing = grpc_health_v1.HealthCheckResponse_NOT_SERVING
)

// A server without its database listens with status NOT_SERVING and becomes SERVING with the database.
func TestStartWaitsForDatabase(t *testing.T) {
	database := testdb.Migrated(t)
	database.Stop()
	s := start(t, database, 0)
	s.await(t, notServing)
	database.Resume()
	s.await(t, serving)
}

// A database outage makes calls UNAVAILABLE; afterwards the server works without a restart.
func TestServesAfterDatabaseOutage(t *testing.T) {
	s := startReady(t)
	if _, err := s.pay(t, s.people.known, "before", 1); err != nil {
		t.Fatal(err)
	}
	s.database.Stop()
	s.await(t, notServing)
	_, err := s.pay(t, s.people.known, "before", 1)
	expect(t, err, codes.Unavailable, "the database of payments does not answer; try again shortly")
	s.database.Resume()
	s.await(t, serving)
	if again, err := s.pay(t, s.people.known, "before", 1); err != nil || again.GetCreated() {
		t.Errorf("after: %v, error %v", again, err)
	}
}

// Running calls end normally when the server is stopped.
func TestShutdownFinishesRunningCall(t *testing.T) {
	s := startReady(t)
	unlock := s.database.Lock("payments")
	answered := make(chan error, 1)
	ctx := within(t, 4*time.Second)
	go func() {
		_, err := s.ListPayments(ctx, &paymentsv1.ListPaymentsRequest{})
		answered <- err
	}()
	for s.database.Waiting() == 0 {
		if ctx.Err() != nil {
			t.Fatal("the call never reached the database")
		}
	}
	s.stop()
	select {
	case err := <-s.ended:
		t.Fatalf("the server did not wait for its call: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	unlock()
	if err := <-answered; err != nil {
		t.Errorf("the call was dropped: %v", err)
	}
	if err := <-s.ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
