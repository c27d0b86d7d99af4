package server_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	paymentsv1 "freehold.dev/shop/payments/gen/shop/payments/v1"
)

// A payment is recorded once per key; the same key with another amount is refused.
func TestMakePaymentOncePerKey(t *testing.T) {
	s := startReady(t)
	first, err := s.pay(t, s.people.known, "breakfast", 1250)
	if err != nil || !first.GetCreated() {
		t.Fatalf("the first call: created %t, error %v", first.GetCreated(), err)
	}
	again, err := s.pay(t, s.people.known, "breakfast", 1250)
	if err != nil || again.GetCreated() || !proto.Equal(again.GetPayment(), first.GetPayment()) {
		t.Errorf("the second call: %v, error %v", again, err)
	}
	_, err = s.pay(t, s.people.known, "breakfast", 1300)
	expect(t, err, codes.AlreadyExists, `idempotency_key "breakfast" was used to pay 1250 EUR`)

	found, err := s.GetPayment(t.Context(), &paymentsv1.GetPaymentRequest{Id: first.GetPayment().GetId()})
	if err != nil || !proto.Equal(found.GetPayment(), first.GetPayment()) {
		t.Errorf("GetPayment: %v, error %v", found, err)
	}
}

// A payment of an unknown person is refused and not recorded.
func TestMakePaymentUnknownPerson(t *testing.T) {
	s := startReady(t)
	_, err := s.pay(t, uuid.NewString(), "k", 1)
	expect(t, err, codes.NotFound, "register the person first")
	if left := s.list(t, "", 0); len(left) != 0 {
		t.Errorf("recorded nevertheless: %v", left)
	}
}

// While users is unavailable, only new payments fail, and the client is told not to retry.
func TestUsersOutageStopsNewPayments(t *testing.T) {
	s := startReady(t)
	if _, err := s.pay(t, s.people.known, "before", 1); err != nil {
		t.Fatal(err)
	}
	s.people.server.Stop()

	var trailer metadata.MD
	_, err := s.pay(t, s.people.known, "after", 2, grpc.Trailer(&trailer))
	expect(t, err, codes.Unavailable, "payments cannot reach users to check who pays; nothing was recorded")
	if !slices.Equal(trailer.Get("grpc-retry-pushback-ms"), []string{"-1"}) {
		t.Errorf("the client is not told to leave retries to payments: %v", trailer)
	}
	if again, err := s.pay(t, s.people.known, "before", 1); err != nil || again.GetCreated() {
		t.Errorf("a repeated call: %v, error %v", again, err)
	}
	if left := s.list(t, "", 0); len(left) != 1 {
		t.Errorf("want the one payment from before, got %v", left)
	}
}

// The pages contain each payment once, newest first, and can be limited to a person.
func TestListPaymentsPages(t *testing.T) {
	s := startReady(t)
	for cents := range int64(5) {
		if _, err := s.pay(t, s.people.known, uuid.NewString(), cents+1); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.list(t, s.people.known, 2); !slices.Equal(got, []int64{5, 4, 3, 2, 1}) {
		t.Errorf("got %v", got)
	}
	if got := s.list(t, uuid.NewString(), 2); len(got) != 0 {
		t.Errorf("the list of another person has %v", got)
	}
}

// An invalid request is refused with a message about the field.
func TestInvalidRequestIsRefused(t *testing.T) {
	s := startReady(t)
	one := &paymentsv1.Money{Currency: "EUR", MinorUnits: 1}
	for want, request := range map[string]*paymentsv1.MakePaymentRequest{
		`user_id must be a UUID; it is "7"`:          {UserId: "7", Amount: one, IdempotencyKey: "k"},
		`in upper case, like EUR; it is ""`:          {UserId: s.people.known, IdempotencyKey: "k"},
		`in upper case, like EUR; it is "eur"`:       {UserId: s.people.known, Amount: &paymentsv1.Money{Currency: "eur", MinorUnits: 1}},
		"minor_units must be more than 0; it is -5":  {UserId: s.people.known, Amount: &paymentsv1.Money{Currency: "EUR", MinorUnits: -5}},
		"idempotency_key must have 1 to 100":         {UserId: s.people.known, Amount: one},
		"none of them a control character; it has 1": {UserId: s.people.known, Amount: one, IdempotencyKey: "\x00"},
	} {
		_, err := s.MakePayment(within(t, 4*time.Second), request)
		expect(t, err, codes.InvalidArgument, want)
	}
	_, err := s.GetPayment(t.Context(), &paymentsv1.GetPaymentRequest{Id: "x"})
	expect(t, err, codes.InvalidArgument, `id must be a UUID; it is "x"`)
	_, err = s.GetPayment(t.Context(), &paymentsv1.GetPaymentRequest{Id: uuid.NewString()})
	expect(t, err, codes.NotFound, "no payment has the id")
	_, err = s.ListPayments(t.Context(), &paymentsv1.ListPaymentsRequest{PageSize: 501})
	expect(t, err, codes.InvalidArgument, "page_size must be from 1 to 500")
	_, err = s.ListPayments(t.Context(), &paymentsv1.ListPaymentsRequest{PageToken: "x"})
	expect(t, err, codes.InvalidArgument, "page_token must be the next_page_token")
}

// list collects the minor units of all pages.
func (s *shop) list(t *testing.T, user string, size int32) []int64 {
	t.Helper()
	var found []int64
	request := &paymentsv1.ListPaymentsRequest{UserId: user, PageSize: size}
	for {
		page, err := s.ListPayments(within(t, 4*time.Second), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, payment := range page.GetPayments() {
			found = append(found, payment.GetAmount().GetMinorUnits())
		}
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			return found
		}
	}
}

func expect(t *testing.T, err error, code codes.Code, sentence string) {
	t.Helper()
	if status.Code(err) != code || !strings.Contains(status.Convert(err).Message(), sentence) {
		t.Errorf("want %v with %q, got %v", code, sentence, err)
	}
}
