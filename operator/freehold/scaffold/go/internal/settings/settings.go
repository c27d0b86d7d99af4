// Package settings reads what the environment tells this service.
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Service is how this service calls itself in sentences and to its database.
const Service = "example-service"

// longestCall bounds a call where no latency budget is set.
const longestCall = 5 * time.Second

// Settings say how the server is reached, where it stores, and how long a call may take.
type Settings struct {
	GRPCPort    int
	DatabaseURL string        // holds a password: never log it
	LongestCall time.Duration // however much time the caller gives
}

// Read takes the settings from an environment. Its errors are sentences that say what to set.
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
		return Settings{}, errors.New("GRPC_TLS is set, but this service speaks plaintext alone; " +
			"README.md says what mutual TLS takes, and until then spec.grpc.tls stays Plaintext")
	}
	return Settings{port, url, time.Duration(budget) * time.Millisecond}, nil
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
