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

// atOnce is within which the database must have seen that nobody waits any more.
const atOnce = time.Second

// written is what was logged, to be read while more is written.
type written struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (w *written) Write(line []byte) (int, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.text.Write(line)
}

// captureLog keeps what is logged from now on.
func captureLog(t *testing.T) *written {
	t.Helper()
	before, log := slog.Default(), &written{}
	slog.SetDefault(slog.New(slog.NewJSONHandler(log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return log
}

// lines are those that have this message.
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

// calls are the lines of so many calls. Each is written by the time its caller is answered, unless that has left.
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
			t.Fatalf("not %d but %d queries wait for the lock", count, s.database.Waiting())
		}
	}
}

func (s *shop) listWithin(t *testing.T, limit time.Duration) error {
	t.Helper()
	_, err := s.ListPayments(within(t, limit), &paymentsv1.ListPaymentsRequest{})
	return err
}

func TestACallEndsWithItsDeadlineAndSoDoesItsQuery(t *testing.T) {
	s := startReady(t)
	defer s.database.Lock("payments")()
	expect(t, s.listWithin(t, 300*time.Millisecond), codes.DeadlineExceeded, "")
	s.awaitWaiting(t, 0, atOnce)
}

func TestTheLatencyBudgetBoundsACallWhateverTimeItsCallerGives(t *testing.T) {
	log, s := captureLog(t), startReadyWithin(t, 300*time.Millisecond)
	defer s.database.Lock("payments")()
	started := time.Now()
	expect(t, s.listWithin(t, 4*time.Second), codes.DeadlineExceeded, "payments could not answer in the time allowed")
	if took := time.Since(started); took < 300*time.Millisecond || took > 1500*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	s.awaitWaiting(t, 0, atOnce)
	if call := log.calls(t, 1)[0]; call["code"] != "DEADLINE_EXCEEDED" {
		t.Errorf("the log says %v", call)
	}
}

func TestACallerThatGoesAwayEndsItsQueryAtOnce(t *testing.T) {
	log, s := captureLog(t), startReady(t)
	defer s.database.Lock("payments")()
	ctx, leave := context.WithCancel(within(t, 5*time.Second))
	answered := make(chan error, 1)
	go func() {
		_, err := s.ListPayments(ctx, &paymentsv1.ListPaymentsRequest{})
		answered <- err
	}()
	s.awaitWaiting(t, 1, 4*time.Second)
	leave()
	s.awaitWaiting(t, 0, atOnce)
	expect(t, <-answered, codes.Canceled, "")
	if call := log.calls(t, 1)[0]; call["code"] != "CANCELLED" {
		t.Errorf("the log says %v", call)
	}
}

func TestACallerThatGoesAwayEndsTheCallToUsersAtOnce(t *testing.T) {
	log, s := captureLog(t), startReady(t)
	s.people.hangs.Store(true)
	ctx, leave := context.WithCancel(within(t, 5*time.Second))
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
	leave()
	select {
	case err := <-s.people.ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the call to users ended with %v", err)
		}
	case <-time.After(atOnce):
		t.Error("the call to users goes on")
	}
	expect(t, <-answered, codes.Canceled, "")
	if call := log.calls(t, 1)[0]; call["code"] != "CANCELLED" {
		t.Errorf("the log says %v", call)
	}
}

func TestUsersGetsHalfOfTheTimeThatIsLeft(t *testing.T) {
	for what, one := range map[string]struct{ budget, caller time.Duration }{
		"of its caller":             {0, time.Second},
		"of its own latency budget": {time.Second, 4 * time.Second},
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

func TestTheLogSaysHowMuchTimeACallHad(t *testing.T) {
	log, s := captureLog(t), startReady(t)
	if err := s.listWithin(t, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ListPayments(context.Background(), &paymentsv1.ListPaymentsRequest{}); err != nil {
		t.Fatal(err)
	}
	calls := log.calls(t, 2)
	if ms, ok := calls[0]["deadlineMs"].(float64); !ok || ms < 1500 || ms > 2000 {
		t.Errorf("of two seconds it had %v", calls[0])
	}
	if had, said := calls[1]["deadlineMs"]; !said || had != nil {
		t.Errorf("without a deadline it had %v", calls[1])
	}
}

func TestAConnectionEndsWithinSecondsSoThatNewServersAreFound(t *testing.T) {
	s := startReady(t)
	if err := s.listWithin(t, 4*time.Second); err != nil {
		t.Fatal(err)
	}
	if s.connection.GetState() != connectivity.Ready || !s.connection.WaitForStateChange(within(t, 6*time.Second),
		connectivity.Ready) {
		t.Error("it goes on")
	}
}

func (s *shop) order(key string, cents int64) *paymentsv1.MakePaymentRequest {
	return &paymentsv1.MakePaymentRequest{
		UserId: s.people.known, IdempotencyKey: key, Amount: &paymentsv1.Money{Currency: "EUR", MinorUnits: cents},
	}
}
