// Package service implements the methods of shop.payments.v1.PaymentsService.
package service

import (
	"context"
	"errors"
	"strconv"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	paymentsv1 "freehold.dev/shop/payments/gen/shop/payments/v1"
	"freehold.dev/shop/payments/internal/store"
	"freehold.dev/shop/payments/internal/users"
)

// Payments validates requests, calls users and the store, and builds responses.
type Payments struct {
	paymentsv1.UnimplementedPaymentsServiceServer
	Store *store.Store
	Users *users.Client
}

// MakePayment records a payment, once per idempotency key of a person. A repeated call needs only the store, and works
// while the users service is unavailable.
func (s *Payments) MakePayment(ctx context.Context, request *paymentsv1.MakePaymentRequest) (
	*paymentsv1.MakePaymentResponse, error,
) {
	asked, err := payment(request)
	if err != nil {
		return nil, err
	}
	stored, err := s.Store.ByKey(ctx, asked.UserID, asked.IdempotencyKey)
	if err == nil {
		return answer(asked, stored, false)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err := s.Users.Check(ctx, asked.UserID); err != nil {
		return nil, err
	}
	stored, created, err := s.Store.Add(ctx, asked)
	if err != nil {
		return nil, err
	}
	return answer(asked, stored, created)
}

// GetPayment returns a payment.
func (s *Payments) GetPayment(ctx context.Context, request *paymentsv1.GetPaymentRequest) (
	*paymentsv1.GetPaymentResponse, error,
) {
	id, err := parseID("id", request.GetId())
	if err != nil {
		return nil, err
	}
	found, err := s.Store.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, status.Errorf(codes.NotFound, "no payment has the id %s", id)
	}
	if err != nil {
		return nil, err
	}
	return &paymentsv1.GetPaymentResponse{Payment: message(found)}, nil
}

// ListPayments returns a page of payments, newest first.
func (s *Payments) ListPayments(ctx context.Context, request *paymentsv1.ListPaymentsRequest) (
	*paymentsv1.ListPaymentsResponse, error,
) {
	page, err := page(request)
	if err != nil {
		return nil, err
	}
	size := page.Most
	page.Most++ // one more, to detect a next page
	found, err := s.Store.List(ctx, page)
	if err != nil {
		return nil, err
	}
	response := &paymentsv1.ListPaymentsResponse{}
	if len(found) > size {
		found = found[:size]
		response.NextPageToken = strconv.FormatInt(found[size-1].Position, 10)
	}
	for _, one := range found {
		response.Payments = append(response.Payments, message(one))
	}
	return response, nil
}

func answer(asked, stored store.Payment, created bool) (*paymentsv1.MakePaymentResponse, error) {
	if asked.Currency != stored.Currency || asked.MinorUnits != stored.MinorUnits {
		return nil, status.Errorf(codes.AlreadyExists,
			"idempotency_key %q was used to pay %d %s (minor units); a new payment needs a new key",
			stored.IdempotencyKey, stored.MinorUnits, stored.Currency)
	}
	return &paymentsv1.MakePaymentResponse{Payment: message(stored), Created: created}, nil
}

func message(p store.Payment) *paymentsv1.Payment {
	return &paymentsv1.Payment{
		Id:         p.ID.String(),
		UserId:     p.UserID.String(),
		Amount:     &paymentsv1.Money{Currency: p.Currency, MinorUnits: p.MinorUnits},
		CreateTime: timestamppb.New(p.CreateTime),
	}
}

func parseID(field, text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.UUID{}, invalid("%s must be a UUID; it is %.60q", field, text)
	}
	return id, nil
}

func invalid(format string, values ...any) error {
	return status.Errorf(codes.InvalidArgument, format, values...)
}
