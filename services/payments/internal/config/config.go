// Package config reads the settings of the service from the environment.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"freehold.dev/shop/payments/internal/identity"
)

// LongestCall is the maximum duration of a call without a latency budget.
const LongestCall = 5 * time.Second

// Settings are the ports, the database, the connection to users, and the limits of the server.
type Settings struct {
	GRPCPort       int
	GRPCHealthPort int                // the port for health checks in plaintext; none if 0
	GRPCIdentity   identity.Directory // plaintext if empty
	DatabaseURL    string             // contains a password; must not be logged
	UsersTarget    string             // a gRPC target, such as dns:///users.shop.svc:50051
	UsersIdentity  identity.Directory // the client certificate for users; plaintext if empty
	UsersConfig    string             // the file with the service config published for users; none if empty
	LongestCall    time.Duration      // the maximum duration of a call, independent of the client's deadline
}

// Read returns the settings from an environment. An error names the setting to correct.
func Read(environment func(string) string) (Settings, error) {
	url, err := DatabaseURL(environment)
	if err != nil {
		return Settings{}, err
	}
	grpcPort, err := port("GRPC_PORT", environment("GRPC_PORT"), 50051)
	if err != nil {
		return Settings{}, err
	}
	healthPort, err := port("GRPC_HEALTH_PORT", environment("GRPC_HEALTH_PORT"), 0)
	if err != nil {
		return Settings{}, err
	}
	target := environment("USERS_GRPC_TARGET")
	if target == "" {
		return Settings{}, errors.New("USERS_GRPC_TARGET must be set, like dns:///users.shop.svc:50051; " +
			"under Freehold, list users in spec.consumes")
	}
	own, err := mutual(environment, "GRPC_TLS")
	if err != nil {
		return Settings{}, err
	}
	toUsers, err := mutual(environment, "USERS_GRPC_TLS")
	if err != nil {
		return Settings{}, err
	}
	longest, err := budget("LATENCY_BUDGET_MS", environment("LATENCY_BUDGET_MS"), LongestCall)
	if err != nil {
		return Settings{}, err
	}
	return Settings{grpcPort, healthPort, own, url, target, toUsers, published(environment, "users"), longest}, nil
}

// DatabaseURL returns the connection URI of the service's own database.
func DatabaseURL(environment func(string) string) (string, error) {
	url := environment("DATABASE_URL")
	_, err := pgxpool.ParseConfig(url)
	if unread := (*fs.PathError)(nil); errors.As(err, &unread) {
		return "", fmt.Errorf("DATABASE_URL must name files that can be read, like sslrootcert: %w", unread)
	}
	if url == "" || err != nil {
		// The parser's error text may contain parts of the password.
		return "", errors.New("DATABASE_URL must be set, like postgresql://user:password@host:5432/payments")
	}
	return url, nil
}

func port(name, text string, otherwise int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > 65535 {
		return 0, fmt.Errorf("%s must be a number from 1 to 65535; it is %q", name, text)
	}
	return number, nil
}

func budget(name, text string, otherwise time.Duration) (time.Duration, error) {
	if text == "" {
		return otherwise, nil
	}
	milliseconds, err := strconv.Atoi(text)
	if err != nil || milliseconds < 1 {
		return 0, fmt.Errorf("%s must be a number of milliseconds from 1 on; it is %q", name, text)
	}
	return time.Duration(milliseconds) * time.Millisecond, nil
}

// published returns the path of the service config of a provider, which exists once the provider's contract is known.
// Without service bindings, published returns an empty path.
func published(environment func(string) string, provider string) string {
	root := environment("SERVICE_BINDING_ROOT")
	if root == "" {
		return ""
	}
	return filepath.Join(root, provider, "service-config")
}

// mutual returns the directory of certificates if a variable requests mutual TLS, or an empty path.
func mutual(environment func(string) string, name string) (identity.Directory, error) {
	switch wanted, directory := environment(name), environment("GRPC_TLS_DIR"); {
	case wanted == "":
		return "", nil
	case wanted != "Mutual":
		return "", fmt.Errorf("%s must be Mutual, or not set at all for plaintext; it is %q", name, wanted)
	case directory == "":
		return "", fmt.Errorf("GRPC_TLS_DIR must be set where %s is: a directory of tls.crt, tls.key, ca.crt and, "+
			"for a service that is called, clients", name)
	default:
		return identity.Directory(directory), nil
	}
}
