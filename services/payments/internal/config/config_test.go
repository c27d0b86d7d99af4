package config_test

import (
	"strings"
	"testing"

	"freehold.dev/shop/payments/internal/config"
)

const url = "postgresql://user:secret@host:5432/payments"

func TestThePortHasADefault(t *testing.T) {
	settings, err := read(map[string]string{"DATABASE_URL": url, "USERS_GRPC_TARGET": "dns:///users:50051"})
	if err != nil || settings.GRPCPort != 50051 {
		t.Fatalf("port %d, error %v", settings.GRPCPort, err)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	for want, environment := range map[string]map[string]string{
		"DATABASE_URL must be set":          {},
		"DATABASE_URL must be set, like":    {"DATABASE_URL": "postgresql://user:sec%ret@host/payments"},
		"USERS_GRPC_TARGET must be set":     {"DATABASE_URL": url},
		"GRPC_PORT must be a number from 1": {"DATABASE_URL": url, "GRPC_PORT": "70000"},
	} {
		_, err := read(environment)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "sec%ret") {
			t.Errorf("%v: want %q…, got %v", environment, want, err)
		}
	}
}

func read(environment map[string]string) (config.Settings, error) {
	return config.Read(func(name string) string { return environment[name] })
}
