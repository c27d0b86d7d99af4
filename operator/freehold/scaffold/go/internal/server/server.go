// Package server is the server process: listens immediately, becomes ready with its database, and shuts down
// gracefully.
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

// grace is the time for running calls to end after the server has stopped accepting new ones.
const grace = 10 * time.Second

// Serve serves until the context ends, then shuts down: first the health status, so that clients stop calling.
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
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		shutdown(server, healthy)
	}()
	slog.Info("listening", "port", read.GRPCPort)
	if err := server.Serve(listener); err != nil {
		return err
	}
	<-ended
	slog.Info("stopped")
	return nil
}

// build assembles the server. Connections end after about four seconds, so that clients resolve the name again and find
// new servers.
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

func shutdown(server *grpc.Server, healthy *health.Server) {
	slog.Info("shutting down")
	healthy.Shutdown()
	timeout := time.AfterFunc(grace, server.Stop)
	defer timeout.Stop()
	server.GracefulStop()
}
