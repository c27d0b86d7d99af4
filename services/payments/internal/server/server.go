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

	paymentsv1 "freehold.dev/shop/payments/gen/shop/payments/v1"
	"freehold.dev/shop/payments/internal/config"
	"freehold.dev/shop/payments/internal/service"
	"freehold.dev/shop/payments/internal/store"
	"freehold.dev/shop/payments/internal/users"
)

// grace is the time for running calls to end after the server has stopped accepting new ones.
const grace = 10 * time.Second

// Serve serves until the context ends, then shuts down: first the health status, so that clients stop calling.
func Serve(ctx context.Context, settings config.Settings) error {
	listener, err := listen("GRPC_PORT", settings.GRPCPort)
	if err != nil {
		return err
	}
	payments, err := store.Open(settings.DatabaseURL)
	if err != nil {
		return err
	}
	defer payments.Close()
	people, err := users.Dial(settings.UsersTarget, settings.UsersIdentity, settings.UsersConfig)
	if err != nil {
		return err
	}
	defer func() { _ = people.Close() }()

	healthy := health.NewServer()
	server, err := build(&service.Payments{Store: payments, Users: people}, healthy, settings)
	if err != nil {
		return err
	}
	probed, err := serveHealth(healthy, settings.GRPCHealthPort)
	if err != nil {
		return err
	}
	defer probed.Stop()
	go watch(ctx, payments, healthy)
	go func() {
		<-ctx.Done()
		shutdown(server, healthy)
	}()
	slog.Info("listening", "port", settings.GRPCPort)
	err = server.Serve(listener)
	slog.Info("stopped")
	return err
}

func listen(name string, port int) (net.Listener, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return nil, fmt.Errorf("%s %d cannot be used: %w", name, port, err)
	}
	return listener, nil
}

// build assembles the server. Connections end after about four seconds, so that clients resolve the name again and find
// new servers.
func build(payments *service.Payments, healthy *health.Server, settings config.Settings) (*grpc.Server, error) {
	options := []grpc.ServerOption{
		grpc.MaxConcurrentStreams(200),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: 4 * time.Second, MaxConnectionAgeGrace: 10 * time.Second,
			Time: 20 * time.Second, Timeout: 5 * time.Second,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	}
	if own := settings.GRPCIdentity; own != "" {
		transport, err := own.Credentials()
		if err != nil {
			return nil, err
		}
		known := callers{own}
		options = append(options, grpc.Creds(transport), grpc.ChainUnaryInterceptor(known.unary),
			grpc.ChainStreamInterceptor(known.stream))
	}
	answer := calls{settings.LongestCall}.answer
	server := grpc.NewServer(append(options, grpc.ChainUnaryInterceptor(answer))...)
	paymentsv1.RegisterPaymentsServiceServer(server, payments)
	grpc_health_v1.RegisterHealthServer(server, healthy)
	reflection.Register(server)
	announce(healthy, false)
	return server, nil
}

// serveHealth serves the health status in plaintext, because probes use no TLS; does nothing if the port is 0.
func serveHealth(healthy *health.Server, port int) (*grpc.Server, error) {
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, healthy)
	if port == 0 {
		return server, nil
	}
	listener, err := listen("GRPC_HEALTH_PORT", port)
	if err != nil {
		return nil, err
	}
	go func() { _ = server.Serve(listener) }()
	return server, nil
}

func shutdown(server *grpc.Server, healthy *health.Server) {
	slog.Info("shutting down")
	healthy.Shutdown()
	timeout := time.AfterFunc(grace, server.Stop)
	defer timeout.Stop()
	server.GracefulStop()
}
