// Package settings reads the settings of the service from the environment.
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Service is the name of this service in messages and in its database sessions.
const Service = "example-service"

// longestCall is the maximum duration of a call without a latency budget.
const longestCall = 5 * time.Second

// Settings are the port, the database and the limits of the server.
type Settings struct {
	GRPCPort    int
	DatabaseURL string        // contains a password; must not be logged
	LongestCall time.Duration // independent of the client's deadline
}

// Read returns the settings from an environment. An error names the setting to correct.
func Read(environment func(string) string) (Settings, error) {
	url, err := DatabaseURL(environment)
	if err != nil {
		return Settings{}, err
	}
	port, err := number(environment, "GRPC_PORT", 50051, 65535)
	if err != nil {
		return Settings{}, err
	}
	budget, err := number(environment, "LATENCY_BUDGET_MS", int(longestCall.Milliseconds()), 1<<30)
	if err != nil {
		return Settings{}, err
	}
	if environment("GRPC_TLS") != "" {
		return Settings{}, errors.New("GRPC_TLS is set, but this service supports plaintext only; " +
			"see README.md for the steps to mutual TLS, and keep spec.grpc.tls: Plaintext until then")
	}
	return Settings{port, url, time.Duration(budget) * time.Millisecond}, nil
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
		return "", errors.New("DATABASE_URL must be set, like postgresql://user:password@host:5432/database")
	}
	return url, nil
}

func number(environment func(string) string, name string, otherwise, most int) (int, error) {
	text := environment(name)
	if text == "" {
		return otherwise, nil
	}
	read, err := strconv.Atoi(text)
	if err != nil || read < 1 || read > most {
		return 0, fmt.Errorf("%s must be a number from 1 to %d; it is %q", name, most, text)
	}
	return read, nil
}
