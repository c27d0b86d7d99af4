package server

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"example.org/example-service/gen/notesv1"
	"example.org/example-service/internal/notes"
	"example.org/example-service/internal/settings"
)

var host, _ = os.Hostname()

// answer implements the parts common to all calls: deadline, error status, log line, and the name of the server. Health
// and reflection are not wrapped. longest is the maximum duration of a call, independent of the client's deadline.
func answer(longest time.Duration) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, call *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if !strings.HasPrefix(call.FullMethod, "/"+notesv1.NotesService_ServiceDesc.ServiceName+"/") {
			return handle(ctx, request)
		}
		started, left := time.Now(), remaining(ctx)
		_ = grpc.SetTrailer(ctx, metadata.Pairs("served-by", host)) // fails only outside a call
		ctx, cancel := context.WithTimeout(ctx, longest)
		defer cancel()
		response, err := handle(ctx, request)
		err = refusal(err)
		slog.Info("call", "method", call.FullMethod, "code", status.Code(err).String(),
			"ms", milliseconds(time.Since(started)), "deadlineMs", left)
		return response, err
	}
}

// remaining returns the time until the deadline in milliseconds, or nil without a deadline.
func remaining(ctx context.Context) any {
	deadline, stated := ctx.Deadline()
	if !stated {
		return nil
	}
	return milliseconds(time.Until(deadline))
}

func milliseconds(span time.Duration) float64 { return float64(span.Microseconds()) / 1000 }

// refusal returns the status and the message for a failed call.
func refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, notes.ErrUnavailable):
		slog.Warn("the database does not answer", "error", err.Error())
		return status.Error(codes.Unavailable, "the database of "+settings.Service+" does not answer; try again shortly")
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, settings.Service+" could not answer in the time allowed; try again")
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, "the client cancelled the call")
	}
	if known, ok := status.FromError(err); ok {
		return known.Err()
	}
	slog.Error("a call failed with an unexpected error", "error", err.Error())
	return status.Error(codes.Internal, "internal error in "+settings.Service+"; see its log")
}
