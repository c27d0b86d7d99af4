package server

import (
	"context"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"freehold.dev/shop/payments/internal/identity"
)

// callers refuses all calls of clients that are not on the list, including health and reflection.
type callers struct{ directory identity.Directory }

func (c callers) unary(ctx context.Context, request any, call *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (
	any, error,
) {
	if err := c.admit(ctx, call.FullMethod); err != nil {
		return nil, err
	}
	return handle(ctx, request)
}

func (c callers) stream(
	service any, stream grpc.ServerStream, call *grpc.StreamServerInfo, handle grpc.StreamHandler,
) error {
	if err := c.admit(stream.Context(), call.FullMethod); err != nil {
		return err
	}
	return handle(service, stream)
}

func (c callers) admit(ctx context.Context, method string) error {
	caller := "a certificate without a SPIFFE URI"
	if from, ok := peer.FromContext(ctx); ok {
		if info, ok := from.AuthInfo.(credentials.TLSInfo); ok && info.SPIFFEID != nil {
			caller = info.SPIFFEID.String()
		}
	}
	listed, err := c.directory.MayCall(caller)
	if err != nil {
		slog.Error("the list of clients cannot be read", "error", err.Error())
		return status.Error(codes.Unavailable, "payments cannot read its list of clients; try again shortly")
	}
	if !listed {
		slog.Warn("refused", "method", method, "caller", caller)
		return status.Errorf(codes.PermissionDenied, "%s may not call payments; under Freehold, list payments in its "+
			"spec.consumes, and let spec.grpc.consumers of payments allow it", caller)
	}
	return nil
}
