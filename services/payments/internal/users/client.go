// Package users asks the users service about people.
package users

import (
	"context"
	"fmt"
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

// serviceConfig balances calls over all servers, and repeats a call that found none, which its contract allows.
const serviceConfig = `{
  "loadBalancingConfig": [{"round_robin": {}}],
  "methodConfig": [{
    "name": [{"service": "shop.users.v1.UsersService"}],
    "retryPolicy": {
      "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
}`

// longestCall bounds a call to the users service however much time the caller allows.
const longestCall = 2 * time.Second

// Client is a connection to all servers of the users service.
type Client struct {
	connection *grpc.ClientConn
	stub       usersv1.UsersServiceClient
}

// Dial prepares a client and begins to connect; it does not wait for the users service. Without an identity it speaks
// plaintext.
func Dial(target string, own identity.Directory) (*Client, error) {
	transport := insecure.NewCredentials()
	if own != "" {
		var err error
		if transport, err = own.Credentials(); err != nil {
			return nil, err
		}
	}
	// A name may be looked up again a second after the last time, not half a minute: servers come and go.
	dns.SetMinResolutionInterval(time.Second)
	connection, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
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

// Close ends the connections.
func (c *Client) Close() error { return c.connection.Close() }

// Check returns nil if there is such a person, else a status for the caller. It takes at most half of the time that is
// left of the incoming call, so that the other half remains for storing.
func (c *Client) Check(incoming context.Context, id uuid.UUID) error {
	allowed := longestCall
	if deadline, ok := incoming.Deadline(); ok {
		allowed = min(allowed, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(incoming, allowed)
	defer cancel()
	_, err := c.stub.GetUser(ctx, &usersv1.GetUserRequest{Id: id.String()})
	switch status.Code(err) {
	case codes.OK:
		return nil
	case codes.NotFound:
		return status.Errorf(codes.NotFound, "no user has the id %s; register the person first", id)
	case codes.Unavailable, codes.DeadlineExceeded:
		// It was tried several times here; were our caller to try again too, the attempts would multiply.
		_ = grpc.SetTrailer(incoming, metadata.Pairs("grpc-retry-pushback-ms", "-1"))
		return status.Error(codes.Unavailable,
			"payments cannot reach users to check who pays; nothing was recorded, try again with the same key")
	default:
		return fmt.Errorf("users refused to say whether %s exists: %w", id, err)
	}
}
