package settings_test

import (
	"strings"
	"testing"
	"time"

	"example.org/example-service/internal/settings"
)

const url = "postgresql://user:secret@host:5432/app"

// Settings that are not in the environment have defaults.
func TestReadDefaults(t *testing.T) {
	read, err := settings.Read(environment(map[string]string{"DATABASE_URL": url}))
	if want := (settings.Settings{GRPCPort: 50051, DatabaseURL: url, LongestCall: 5 * time.Second}); read != want {
		t.Errorf("got %+v, error %v", read, err)
	}
}

// The latency budget limits a call.
func TestReadLatencyBudget(t *testing.T) {
	read, err := settings.Read(environment(map[string]string{"DATABASE_URL": url, "LATENCY_BUDGET_MS": "250"}))
	if read.LongestCall != 250*time.Millisecond {
		t.Errorf("got %v, error %v", read.LongestCall, err)
	}
}

// An error for a missing or invalid setting names the setting and does not contain the password.
func TestReadInvalid(t *testing.T) {
	for want, set := range map[string]map[string]string{
		"DATABASE_URL must be set, like":                              {},
		"DATABASE_URL must be set":                                    {"DATABASE_URL": "postgresql://user:sec%ret@host/app"},
		"DATABASE_URL must name files that can be read":               {"DATABASE_URL": url + "?sslmode=verify-full&sslrootcert=/none"},
		`GRPC_PORT must be a number from 1 to 65535; it is "70000"`:   {"DATABASE_URL": url, "GRPC_PORT": "70000"},
		"LATENCY_BUDGET_MS must be a number from 1":                   {"DATABASE_URL": url, "LATENCY_BUDGET_MS": "250ms"},
		"GRPC_TLS is set, but this service supports plaintext only; ": {"DATABASE_URL": url, "GRPC_TLS": "Mutual"},
	} {
		_, err := settings.Read(environment(set))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "sec") {
			t.Errorf("%v: want %q…, got %v", set, want, err)
		}
	}
}

func environment(set map[string]string) func(string) string {
	return func(name string) string { return set[name] }
}
