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

// answer is what every call has in common: a deadline, a refusal in plain words, one log line, who answered. Health and
// reflection pass untouched. longest: what a call may take, however much time its caller gives.
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

// remaining is the time in milliseconds that the caller gives, or nil if it states no deadline.
func remaining(ctx context.Context) any {
	deadline, stated := ctx.Deadline()
	if !stated {
		return nil
	}
	return milliseconds(time.Until(deadline))
}

func milliseconds(span time.Duration) float64 { return float64(span.Microseconds()) / 1000 }

// refusal is the status of a call that failed, with the sentence its caller reads.
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
		return status.Error(codes.Canceled, "the caller went away")
	}
	if told, ok := status.FromError(err); ok {
		return told.Err()
	}
	slog.Error("a call failed for a reason of our own", "error", err.Error())
	return status.Error(codes.Internal, settings.Service+" failed for a reason of its own; its log has the details")
}
