package server

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	paymentsv1 "freehold.dev/shop/payments/gen/shop/payments/v1"
	"freehold.dev/shop/payments/internal/store"
)

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// watch updates the health status: SERVING while the database is available. The database is queried at first often,
// then every two seconds.
func watch(ctx context.Context, payments *store.Store, healthy *health.Server) {
	pause, known, serving := firstPause, false, false
	for ctx.Err() == nil {
		if answers := ping(ctx, payments); !known || answers != serving {
			known, serving = true, answers
			announce(healthy, serving)
			slog.Info("readiness", "serving", serving, "because", because(serving))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

func because(serving bool) string {
	if serving {
		return "the database answers"
	}
	return "the database does not answer; trying again"
}

func ping(ctx context.Context, payments *store.Store) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return payments.Ping(ctx) == nil
}

// announce sets the status of the server as a whole (the empty name, used by probes) and of its service. After
// Shutdown the health service ignores changes.
func announce(healthy *health.Server, serving bool) {
	state := grpc_health_v1.HealthCheckResponse_NOT_SERVING
	if serving {
		state = grpc_health_v1.HealthCheckResponse_SERVING
	}
	for _, name := range []string{"", paymentsv1.PaymentsService_ServiceDesc.ServiceName} {
		healthy.SetServingStatus(name, state)
	}
}
