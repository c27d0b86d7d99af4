// Package config reads what the environment tells this service.
package config

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Settings say how the server is reached, where it stores, and where it finds the users service.
type Settings struct {
	GRPCPort    int
	DatabaseURL string // holds a password: never log it
	UsersTarget string // a gRPC target, like dns:///users.shop.svc:50051
}

// Read takes the settings from an environment. Its errors are sentences that say what to set.
func Read(environment func(string) string) (Settings, error) {
	url, err := DatabaseURL(environment)
	if err != nil {
		return Settings{}, err
	}
	port, err := port(environment("GRPC_PORT"))
	if err != nil {
		return Settings{}, err
	}
	target := environment("USERS_GRPC_TARGET")
	if target == "" {
		return Settings{}, errors.New("USERS_GRPC_TARGET must be set, like dns:///users.shop.svc:50051; " +
			"under Freehold, list users in spec.consumes")
	}
	return Settings{GRPCPort: port, DatabaseURL: url, UsersTarget: target}, nil
}

// DatabaseURL is the connection URI of the service's own database.
func DatabaseURL(environment func(string) string) (string, error) {
	url := environment("DATABASE_URL")
	if _, err := pgxpool.ParseConfig(url); url == "" || err != nil {
		// The parser's own text may quote a part of the password.
		return "", errors.New("DATABASE_URL must be set, like postgresql://user:password@host:5432/payments")
	}
	return url, nil
}

func port(text string) (int, error) {
	if text == "" {
		return 50051, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > 65535 {
		return 0, fmt.Errorf("GRPC_PORT must be a number from 1 to 65535; it is %q", text)
	}
	return number, nil
}
