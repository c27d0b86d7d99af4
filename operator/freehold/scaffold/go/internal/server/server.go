// Package server is the life of the process: it listens at once, is ready with its database, and lets calls end before
// it leaves.
package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"example.org/example-service/gen/notesv1"
	"example.org/example-service/internal/notes"
	"example.org/example-service/internal/settings"
)

// grace is how long calls under way have to end after the server stopped taking new ones.
const grace = 10 * time.Second

// Serve answers calls until the context ends, then leaves: health first, so that no new caller comes.
func Serve(ctx context.Context, read settings.Settings) error {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", read.GRPCPort))
	if err != nil {
		return fmt.Errorf("GRPC_PORT %d cannot be used: %w", read.GRPCPort, err)
	}
	store, err := notes.Open(read.DatabaseURL)
	if err != nil {
		return err
	}
	defer store.Close()

	healthy := health.NewServer()
	announce(healthy, false)
	server := build(store, healthy, read.LongestCall)
	go watch(ctx, store, healthy)
	left := make(chan struct{})
	go func() {
		defer close(left)
		<-ctx.Done()
		leave(server, healthy)
	}()
	slog.Info("listening", "port", read.GRPCPort)
	if err := server.Serve(listener); err != nil {
		return err
	}
	<-left
	slog.Info("stopped")
	return nil
}

// build assembles the server. Connections end after about four seconds: at each end a client looks the name up again,
// and finds new servers.
func build(store *notes.Store, healthy *health.Server, longest time.Duration) *grpc.Server {
	server := grpc.NewServer(
		grpc.MaxConcurrentStreams(200),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: 4 * time.Second, MaxConnectionAgeGrace: 10 * time.Second,
			Time: 20 * time.Second, Timeout: 5 * time.Second,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(answer(longest)),
	)
	notesv1.RegisterNotesServiceServer(server, &notes.Notes{Store: store})
	grpc_health_v1.RegisterHealthServer(server, healthy)
	reflection.Register(server)
	return server
}

func leave(server *grpc.Server, healthy *health.Server) {
	slog.Info("leaving")
	healthy.Shutdown()
	impatient := time.AfterFunc(grace, server.Stop)
	defer impatient.Stop()
	server.GracefulStop()
}
