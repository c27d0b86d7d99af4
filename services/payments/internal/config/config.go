// Package config reads what the environment tells this service.
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

// LongestCall is what a call may take where no latency budget is set.
const LongestCall = 5 * time.Second

// Settings say how the server is reached, where it stores, and where it finds the users service.
type Settings struct {
	GRPCPort       int
	GRPCHealthPort int                // where health alone is served, always in plaintext; nowhere if 0
	GRPCIdentity   identity.Directory // plaintext if empty
	DatabaseURL    string             // holds a password: never log it
	UsersTarget    string             // a gRPC target, like dns:///users.shop.svc:50051
	UsersIdentity  identity.Directory // who payments is to users; plaintext if empty
	UsersConfig    string             // the file of the service config that is published for users; none if empty
	LongestCall    time.Duration      // what a call may take, however much time its caller gives
}

// Read takes the settings from an environment. Its errors are sentences that say what to set.
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

// DatabaseURL is the connection URI of the service's own database.
func DatabaseURL(environment func(string) string) (string, error) {
	url := environment("DATABASE_URL")
	_, err := pgxpool.ParseConfig(url)
	if unread := (*fs.PathError)(nil); errors.As(err, &unread) {
		return "", fmt.Errorf("DATABASE_URL must name files that can be read, like sslrootcert: %w", unread)
	}
	if url == "" || err != nil {
		// The parser's own text may quote a part of the password.
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

// published is where the service config of a provider is, once its contract is known; empty without bindings.
func published(environment func(string) string, provider string) string {
	root := environment("SERVICE_BINDING_ROOT")
	if root == "" {
		return ""
	}
	return filepath.Join(root, provider, "service-config")
}

// mutual is where the certificates are if a variable asks for mutual TLS, and empty if it is not set.
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
