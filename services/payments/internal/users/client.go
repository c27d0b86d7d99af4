// Package users is a client of the users service.
package users

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver/dns"
	"google.golang.org/grpc/status"

	usersv1 "freehold.dev/shop/payments/gen/shop/users/v1"
	"freehold.dev/shop/payments/internal/identity"
)

// builtIn is the service config if none is published: calls are distributed over all servers, and calls that reached no
// server are retried, which the contract of users allows.
const builtIn = `{
  "loadBalancingConfig": [{"round_robin": {}}],
  "methodConfig": [{
    "name": [{"service": "shop.users.v1.UsersService"}],
    "retryPolicy": {
      "maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "0.5s", "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
}`

// Client is a connection to all servers of the users service.
type Client struct {
	connection *grpc.ClientConn
	stub       usersv1.UsersServiceClient
}

// Dial creates a client and starts to connect, without waiting for the users service. Without an identity the client
// uses plaintext. The file published may have a service config (grpc/grpc doc/service_config.md), and may be missing.
func Dial(target string, own identity.Directory, published string) (*Client, error) {
	transport := insecure.NewCredentials()
	if own != "" {
		var err error
		if transport, err = own.Credentials(); err != nil {
			return nil, err
		}
	}
	// Allow a name to be resolved again after one second instead of the default of 30 seconds: servers change often.
	dns.SetMinResolutionInterval(time.Second)
	connection, err := connect(target, published,
		grpc.WithTransportCredentials(transport),
		grpc.WithDisableServiceConfig(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 10 * time.Second, Timeout: 5 * time.Second, PermitWithoutStream: true,
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second,
			},
			MinConnectTimeout: 2 * time.Second,
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("USERS_GRPC_TARGET %q is not a gRPC target: %w", target, err)
	}
	connection.Connect()
	return &Client{connection, usersv1.NewUsersServiceClient(connection)}, nil
}

// connect uses the published service config, or the built-in one if that is missing or invalid.
func connect(target, published string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	text, err := os.ReadFile(published)
	if err == nil {
		var connection *grpc.ClientConn
		connection, err = grpc.NewClient(target, append(options, grpc.WithDefaultServiceConfig(string(text)))...)
		if err == nil {
			slog.Info("channel", "provider", "users", "serviceConfig", "published")
			return connection, nil
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		slog.Warn("the published service config cannot be used", "provider", "users", "file", published,
			"error", err.Error())
	}
	slog.Info("channel", "provider", "users", "serviceConfig", "built in")
	return grpc.NewClient(target, append(options, grpc.WithDefaultServiceConfig(builtIn))...)
}

// Close closes the connections.
func (c *Client) Close() error { return c.connection.Close() }

// Check returns nil if the person exists, otherwise a status for the client. Check uses at most half of the remaining
// time of the incoming call, which must have a deadline; the other half is for storing.
func (c *Client) Check(incoming context.Context, id uuid.UUID) error {
	deadline, _ := incoming.Deadline()
	ctx, cancel := context.WithTimeout(incoming, time.Until(deadline)/2)
	defer cancel()
	_, err := c.stub.GetUser(ctx, &usersv1.GetUserRequest{Id: id.String()})
	switch status.Code(err) {
	case codes.OK:
		return nil
	case codes.NotFound:
		return status.Errorf(codes.NotFound, "no user has the id %s; register the person first", id)
	case codes.Canceled:
		return incoming.Err()
	case codes.Unavailable, codes.DeadlineExceeded:
		// The call has been retried already; further retries by our client would multiply the attempts.
		_ = grpc.SetTrailer(incoming, metadata.Pairs("grpc-retry-pushback-ms", "-1"))
		return status.Error(codes.Unavailable,
			"payments cannot reach users to check who pays; nothing was recorded, try again with the same key")
	default:
		return fmt.Errorf("users failed to check the person %s: %w", id, err)
	}
}
