// Package users asks the users service about people.
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

// builtIn is the service config while none is published: calls go round all servers, and one that found none is
// repeated, which the contract of users allows.
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

// Dial prepares a client and begins to connect; it does not wait for the users service. Without an identity it speaks
// plaintext. The file published may have a service config (grpc/grpc doc/service_config.md); it need not be there.
func Dial(target string, own identity.Directory, published string) (*Client, error) {
	transport := insecure.NewCredentials()
	if own != "" {
		var err error
		if transport, err = own.Credentials(); err != nil {
			return nil, err
		}
	}
	// A name may be looked up again a second after the last time, not half a minute: servers come and go.
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
		return nil, fmt.Errorf("USERS_GRPC_TARGET %q is no gRPC target: %w", target, err)
	}
	connection.Connect()
	return &Client{connection, usersv1.NewUsersServiceClient(connection)}, nil
}

// connect takes the published service config, or the built-in one where it is absent or gRPC cannot use it.
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

// Close ends the connections.
func (c *Client) Close() error { return c.connection.Close() }

// Check returns nil if there is such a person, else a status for the caller. It takes at most half of the time that is
// left of the incoming call, which must have a deadline, so that the other half remains for storing.
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
		// It was tried several times here; were our caller to try again too, the attempts would multiply.
		_ = grpc.SetTrailer(incoming, metadata.Pairs("grpc-retry-pushback-ms", "-1"))
		return status.Error(codes.Unavailable,
			"payments cannot reach users to check who pays; nothing was recorded, try again with the same key")
	default:
		return fmt.Errorf("users refused to say whether %s exists: %w", id, err)
	}
}
