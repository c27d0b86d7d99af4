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

// calls is what every call has in common: a deadline, a refusal in plain words, one log line, who answered.
type calls struct {
	longest time.Duration // bounds a call whose caller states no deadline, or a later one
}

// answer wraps the shop's own methods; health and reflection pass untouched.
func (c calls) answer(ctx context.Context, request any, call *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (
	any, error,
) {
	if !strings.HasPrefix(call.FullMethod, "/shop.") {
		return handle(ctx, request)
	}
	started := time.Now()
	var remaining any // null where the caller states no deadline
	if deadline, ok := ctx.Deadline(); ok {
		remaining = milliseconds(time.Until(deadline))
	}
	_ = grpc.SetTrailer(ctx, metadata.Pairs("served-by", host)) // fails only outside a call
	ctx, cancel := context.WithTimeout(ctx, c.longest)
	defer cancel()
	response, err := handle(ctx, request)
	if deadline, _ := ctx.Deadline(); errors.Is(err, context.Canceled) && time.Now().After(deadline) {
		err = context.DeadlineExceeded // a caller whose time is over cancels, too
	}
	err = refusal(err)
	slog.Info("call", "method", call.FullMethod, "code", code.Code(status.Code(err)).String(),
		"ms", milliseconds(time.Since(started)), "deadlineMs", remaining)
	return response, err
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// refusal is the status of a call that failed, with the sentence its caller reads.
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
		return status.Error(codes.Canceled, "the caller went away")
	}
	if told, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		return told.GRPCStatus().Err()
	}
	slog.Error("a call failed for a reason of our own", "error", err.Error())
	return status.Error(codes.Internal, "payments failed for a reason of its own; its log has the details")
}
