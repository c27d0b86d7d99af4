package server

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"freehold.dev/shop/payments/internal/store"
)

var host, _ = os.Hostname()

// calls implements the parts common to all calls: deadline, error status, log line, and the name of the server.
type calls struct {
	longest time.Duration // the maximum duration of a call, also with a later deadline or none
}

// answer wraps the methods of the shop's services; health and reflection are not wrapped.
func (c calls) answer(ctx context.Context, request any, call *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (
	any, error,
) {
	if !strings.HasPrefix(call.FullMethod, "/shop.") {
		return handle(ctx, request)
	}
	started := time.Now()
	var remaining any // nil without a deadline
	if deadline, ok := ctx.Deadline(); ok {
		remaining = milliseconds(time.Until(deadline))
	}
	_ = grpc.SetTrailer(ctx, metadata.Pairs("served-by", host)) // fails only outside a call
	ctx, cancel := context.WithTimeout(ctx, c.longest)
	defer cancel()
	response, err := handle(ctx, request)
	if deadline, _ := ctx.Deadline(); errors.Is(err, context.Canceled) && time.Now().After(deadline) {
		err = context.DeadlineExceeded // clients also cancel at the deadline
	}
	err = refusal(err)
	slog.Info("call", "method", call.FullMethod, "code", code.Code(status.Code(err)).String(),
		"ms", milliseconds(time.Since(started)), "deadlineMs", remaining)
	return response, err
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// refusal returns the status and the message for a failed call.
func refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrUnavailable):
		slog.Warn("the database does not answer", "error", err.Error())
		return status.Error(codes.Unavailable, "the database of payments does not answer; try again shortly")
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded,
			"payments could not answer in the time allowed; try again with the same key")
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, "the client cancelled the call")
	}
	if known, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		return known.GRPCStatus().Err()
	}
	slog.Error("a call failed with an unexpected error", "error", err.Error())
	return status.Error(codes.Internal, "internal error in payments; see its log")
}
