package server

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"example.org/example-service/gen/notesv1"
	"example.org/example-service/internal/notes"
)

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// watch keeps the health service true: SERVING while the database answers. It asks at first quickly, then every two
// seconds.
func watch(ctx context.Context, store *notes.Store, healthy *health.Server) {
	pause, known, serving := firstPause, false, false
	for ctx.Err() == nil {
		if answers := ping(ctx, store); !known || answers != serving {
			known, serving = true, answers
			announce(healthy, serving)
			slog.Info("readiness", "serving", serving)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			pause = min(2*pause, longestPause)
		}
	}
}

func ping(ctx context.Context, store *notes.Store) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return store.Ping(ctx) == nil
}

// announce says so for the server as a whole (the empty name, which probes ask for) and for its service. After
// Shutdown the health service ignores it.
func announce(healthy *health.Server, serving bool) {
	state := grpc_health_v1.HealthCheckResponse_NOT_SERVING
	if serving {
		state = grpc_health_v1.HealthCheckResponse_SERVING
	}
	for _, name := range []string{"", notesv1.NotesService_ServiceDesc.ServiceName} {
		healthy.SetServingStatus(name, state)
	}
}
