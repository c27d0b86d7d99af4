package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"

	paymentsv1 "freehold.dev/shop/payments/gen/shop/payments/v1"
)

// atOnce is the maximum time until the query of an ended call is cancelled.
const atOnce = time.Second

// written is a log that can be read while lines are written.
type written struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (w *written) Write(line []byte) (int, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.text.Write(line)
}

// captureLog records the log from now on.
func captureLog(t *testing.T) *written {
	t.Helper()
	before, log := slog.Default(), &written{}
	slog.SetDefault(slog.New(slog.NewJSONHandler(log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return log
}

// lines returns the lines with a message.
func (w *written) lines(t *testing.T, message string) []map[string]any {
	t.Helper()
	w.lock.Lock()
	defer w.lock.Unlock()
	var found []map[string]any
	for line := range strings.Lines(w.text.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		if fields["msg"] == message {
			found = append(found, fields)
		}
	}
	return found
}

// calls returns the lines of `count` calls. A line is written before the response, except for cancelled calls.
func (w *written) calls(t *testing.T, count int) []map[string]any {
	t.Helper()
	found := w.lines(t, "call")
	for end := time.Now().Add(5 * time.Second); len(found) < count; found = w.lines(t, "call") {
		if time.Now().After(end) {
			t.Fatalf("the log has %v", found)
		}
	}
	return found
}

func (s *shop) awaitWaiting(t *testing.T, count int, limit time.Duration) {
	t.Helper()
	for end := time.Now().Add(limit); s.database.Waiting() != count; {
		if time.Now().After(end) {
			t.Fatalf("want %d queries that wait for the lock, got %d", count, s.database.Waiting())
		}
	}
}

func (s *shop) listWithin(t *testing.T, limit time.Duration) error {
	t.Helper()
	_, err := s.ListPayments(within(t, limit), &paymentsv1.ListPaymentsRequest{})
	return err
}

// A call ends at its deadline, and its query is cancelled.
func TestDeadlineEndsQuery(t *testing.T) {
	s := startReady(t)
	defer s.database.Lock("payments")()
	expect(t, s.listWithin(t, 300*time.Millisecond), codes.DeadlineExceeded, "")
	s.awaitWaiting(t, 0, atOnce)
}

// The latency budget limits a call with a later deadline.
func TestLatencyBudgetLimitsCall(t *testing.T) {
	log, s := captureLog(t), startReadyWithin(t, 300*time.Millisecond)
	defer s.database.Lock("payments")()
	started := time.Now()
	expect(t, s.listWithin(t, 4*time.Second), codes.DeadlineExceeded, "payments could not answer in the time allowed")
	if took := time.Since(started); took < 300*time.Millisecond || took > 1500*time.Millisecond {
		t.Errorf("the call took %v", took)
	}
	s.awaitWaiting(t, 0, atOnce)
	if call := log.calls(t, 1)[0]; call["code"] != "DEADLINE_EXCEEDED" {
		t.Errorf("the log has %v", call)
	}
}

// When the client cancels a call, its query is cancelled.
func TestCancelledCallEndsQuery(t *testing.T) {
	log, s := captureLog(t), startReady(t)
	defer s.database.Lock("payments")()
	ctx, cancel := context.WithCancel(within(t, 5*time.Second))
	answered := make(chan error, 1)
	go func() {
		_, err := s.ListPayments(ctx, &paymentsv1.ListPaymentsRequest{})
		answered <- err
	}()
	s.awaitWaiting(t, 1, 4*time.Second)
	cancel()
	s.awaitWaiting(t, 0, atOnce)
	expect(t, <-answered, codes.Canceled, "")
	if call := log.calls(t, 1)[0]; call["code"] != "CANCELLED" {
		t.Errorf("the log has %v", call)
	}
}

// When the client cancels a call, the call to users is cancelled.
func TestCancelledCallEndsCallToUsers(t *testing.T) {
	log, s := captureLog(t), startReady(t)
	s.people.hangs.Store(true)
	ctx, cancel := context.WithCancel(within(t, 5*time.Second))
	answered := make(chan error, 1)
	go func() {
		_, err := s.MakePayment(ctx, s.order("k", 1))
		answered <- err
	}()
	for s.people.calls.Load() == 0 {
		if ctx.Err() != nil {
			t.Fatal("users was not called")
		}
	}
	cancel()
	select {
	case err := <-s.people.ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the call to users ended with %v", err)
		}
	case <-time.After(atOnce):
		t.Error("the call to users continues")
	}
	expect(t, <-answered, codes.Canceled, "")
	if call := log.calls(t, 1)[0]; call["code"] != "CANCELLED" {
		t.Errorf("the log has %v", call)
	}
}

// The call to users gets half of the remaining time.
func TestUsersGetsHalfOfRemainingTime(t *testing.T) {
	for what, one := range map[string]struct{ budget, caller time.Duration }{
		"of the deadline":       {0, time.Second},
		"of the latency budget": {time.Second, 4 * time.Second},
	} {
		t.Run(what, func(t *testing.T) {
			s := startReadyWithin(t, one.budget)
			_, err := s.MakePayment(within(t, one.caller), s.order("k", 1))
			allowed := time.Duration(s.people.allowed.Load())
			if err != nil || allowed < time.Second/4 || allowed > time.Second/2 {
				t.Errorf("users had %v of a second, error %v", allowed, err)
			}
		})
	}
}

// The log line of a call has the time until its deadline.
func TestLogHasDeadline(t *testing.T) {
	log, s := captureLog(t), startReady(t)
	if err := s.listWithin(t, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ListPayments(context.Background(), &paymentsv1.ListPaymentsRequest{}); err != nil {
		t.Fatal(err)
	}
	calls := log.calls(t, 2)
	if ms, ok := calls[0]["deadlineMs"].(float64); !ok || ms < 1500 || ms > 2000 {
		t.Errorf("with a deadline of two seconds the log has %v", calls[0])
	}
	if ms, present := calls[1]["deadlineMs"]; !present || ms != nil {
		t.Errorf("without a deadline the log has %v", calls[1])
	}
}

// A connection ends after a few seconds, so that clients find new servers.
func TestConnectionAgeIsLimited(t *testing.T) {
	s := startReady(t)
	if err := s.listWithin(t, 4*time.Second); err != nil {
		t.Fatal(err)
	}
	if s.connection.GetState() != connectivity.Ready || !s.connection.WaitForStateChange(within(t, 6*time.Second),
		connectivity.Ready) {
		t.Error("the connection is still open")
	}
}

func (s *shop) order(key string, cents int64) *paymentsv1.MakePaymentRequest {
	return &paymentsv1.MakePaymentRequest{
		UserId: s.people.known, IdempotencyKey: key, Amount: &paymentsv1.Money{Currency: "EUR", MinorUnits: cents},
	}
}
