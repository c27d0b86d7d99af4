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

	paymentsv1 "freehold.dev/shop/payments/gen/shop/payments/v1"
	"freehold.dev/shop/payments/internal/config"
	"freehold.dev/shop/payments/internal/service"
	"freehold.dev/shop/payments/internal/store"
	"freehold.dev/shop/payments/internal/users"
)

// grace is how long calls under way have to end after the server stopped taking new ones.
const grace = 10 * time.Second

// Serve answers calls until the context ends, then leaves: health first, so that no new caller comes.
func Serve(ctx context.Context, settings config.Settings) error {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", settings.GRPCPort))
	if err != nil {
		return fmt.Errorf("GRPC_PORT %d cannot be used: %w", settings.GRPCPort, err)
	}
	payments, err := store.Open(settings.DatabaseURL)
	if err != nil {
		return err
	}
	defer payments.Close()
	people, err := users.Dial(settings.UsersTarget)
	if err != nil {
		return err
	}
	defer func() { _ = people.Close() }()

	healthy := health.NewServer()
	server := build(&service.Payments{Store: payments, Users: people}, healthy)
	go watch(ctx, payments, healthy)
	go func() {
		<-ctx.Done()
		leave(server, healthy)
	}()
	slog.Info("listening", "port", settings.GRPCPort)
	err = server.Serve(listener)
	slog.Info("stopped")
	return err
}

// build assembles the server. Connections end after about half a minute, so that clients look the name up again and
// find new servers.
func build(payments *service.Payments, healthy *health.Server) *grpc.Server {
	server := grpc.NewServer(
		grpc.UnaryInterceptor(answer),
		grpc.MaxConcurrentStreams(200),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: 30 * time.Second, MaxConnectionAgeGrace: 10 * time.Second,
			Time: 20 * time.Second, Timeout: 5 * time.Second,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)
	paymentsv1.RegisterPaymentsServiceServer(server, payments)
	grpc_health_v1.RegisterHealthServer(server, healthy)
	reflection.Register(server)
	announce(healthy, false)
	return server
}

func leave(server *grpc.Server, healthy *health.Server) {
	slog.Info("leaving")
	healthy.Shutdown()
	impatient := time.AfterFunc(grace, server.Stop)
	defer impatient.Stop()
	server.GracefulStop()
}
