package config_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freehold.dev/shop/payments/internal/config"
	"freehold.dev/shop/payments/internal/testca"
)

const url = "postgresql://user:secret@host:5432/payments"

// The default port is 50051.
func TestReadPortDefault(t *testing.T) {
	settings, err := read(map[string]string{"DATABASE_URL": url, "USERS_GRPC_TARGET": "dns:///users:50051"})
	if err != nil || settings.GRPCPort != 50051 {
		t.Fatalf("port %d, error %v", settings.GRPCPort, err)
	}
}

// The service uses plaintext unless mutual TLS is requested.
func TestReadTLS(t *testing.T) {
	environment := map[string]string{
		"DATABASE_URL": url, "USERS_GRPC_TARGET": "dns:///users:50051", "GRPC_TLS_DIR": "/identity",
	}
	plain, err := read(environment)
	if err != nil || plain.GRPCIdentity != "" || plain.UsersIdentity != "" || plain.GRPCHealthPort != 0 {
		t.Errorf("plaintext: %+v, error %v", plain, err)
	}
	maps.Copy(environment, map[string]string{
		"GRPC_TLS": "Mutual", "USERS_GRPC_TLS": "Mutual", "GRPC_HEALTH_PORT": "50052",
	})
	mutual, err := read(environment)
	if err != nil || mutual.GRPCIdentity != "/identity" || mutual.UsersIdentity != "/identity" ||
		mutual.GRPCHealthPort != 50052 {
		t.Errorf("mutual TLS: %+v, error %v", mutual, err)
	}
}

// The latency budget limits a call; the default is five seconds.
func TestReadLatencyBudget(t *testing.T) {
	environment := map[string]string{"DATABASE_URL": url, "USERS_GRPC_TARGET": "dns:///users:50051"}
	if settings, err := read(environment); err != nil || settings.LongestCall != 5*time.Second {
		t.Errorf("without a budget: %v, error %v", settings.LongestCall, err)
	}
	environment["LATENCY_BUDGET_MS"] = "250"
	if settings, err := read(environment); err != nil || settings.LongestCall != 250*time.Millisecond {
		t.Errorf("with a budget: %v, error %v", settings.LongestCall, err)
	}
}

// The service config is a file in the service binding of the provider.
func TestReadServiceConfig(t *testing.T) {
	environment := map[string]string{"DATABASE_URL": url, "USERS_GRPC_TARGET": "dns:///users:50051"}
	if settings, err := read(environment); err != nil || settings.UsersConfig != "" {
		t.Errorf("without bindings: %q, error %v", settings.UsersConfig, err)
	}
	environment["SERVICE_BINDING_ROOT"] = "/bindings"
	if settings, err := read(environment); err != nil || settings.UsersConfig != "/bindings/users/service-config" {
		t.Errorf("with bindings: %q, error %v", settings.UsersConfig, err)
	}
}

// A database URL may name a CA file, which must be readable.
func TestDatabaseURLWithTLS(t *testing.T) {
	bundle := filepath.Join(t.TempDir(), "ca.crt")
	secure := url + "?sslmode=verify-full&sslrootcert=" + bundle
	environment := func(string) string { return secure }
	_, err := config.DatabaseURL(environment)
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.HasPrefix(err.Error(), "DATABASE_URL must name "+
		"files that can be read, like sslrootcert: open "+bundle) {
		t.Errorf("without the file: %v", err)
	}
	if err := os.WriteFile(bundle, testca.New(t).PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := config.DatabaseURL(environment); err != nil || found != secure {
		t.Errorf("with the file: %q, error %v", found, err)
	}
}

// An error for a missing or invalid setting names the setting and does not contain the password.
func TestReadInvalid(t *testing.T) {
	for want, environment := range map[string]map[string]string{
		"DATABASE_URL must be set":          {},
		"DATABASE_URL must be set, like":    {"DATABASE_URL": "postgresql://user:sec%ret@host/payments"},
		"USERS_GRPC_TARGET must be set":     {"DATABASE_URL": url},
		"GRPC_PORT must be a number from 1": {"DATABASE_URL": url, "GRPC_PORT": "70000"},
		"GRPC_HEALTH_PORT must be a number": {"DATABASE_URL": url, "GRPC_HEALTH_PORT": "health"},
		`LATENCY_BUDGET_MS must be a number of milliseconds from 1 on; it is "0"`: {
			"DATABASE_URL": url, "USERS_GRPC_TARGET": "users", "LATENCY_BUDGET_MS": "0",
		},
		`USERS_GRPC_TLS must be Mutual, or not set at all for plaintext; it is "mutual"`: {
			"DATABASE_URL": url, "USERS_GRPC_TARGET": "users", "USERS_GRPC_TLS": "mutual",
		},
		"GRPC_TLS_DIR must be set where GRPC_TLS is": {
			"DATABASE_URL": url, "USERS_GRPC_TARGET": "users", "GRPC_TLS": "Mutual",
		},
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
