package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"freehold.dev/shop/payments/internal/users"
)

// published is a service config with the structure that the operator publishes.
const published = `{
  "loadBalancingConfig": [{"round_robin": {}}],
  "methodConfig": [
    {
      "name": [{"service": "shop.users.v1.UsersService", "method": "GetUser"}],
      "timeout": "0.250s",
      "retryPolicy": {
        "maxAttempts": 2, "initialBackoff": "0.05s", "maxBackoff": "0.5s", "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
      }
    },
    {"name": [{}], "timeout": "0.250s"}
  ]
}`

// dialPublished returns a client with a published service config; without one if the text is empty.
func dialPublished(t *testing.T, target, text string) *users.Client {
	t.Helper()
	file := filepath.Join(t.TempDir(), "service-config")
	if text != "" {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	client, err := users.Dial(target, "", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// The published service config is used if it exists and is valid, otherwise the built-in one.
func TestServiceConfigSelection(t *testing.T) {
	for what, one := range map[string]struct {
		text     string
		used     string
		attempts int64
		warnings int
	}{
		"published":     {published, "published", 2, 0},
		"absent":        {"", "built in", 4, 0},
		"not JSON":      {published[:len(published)-1], "built in", 4, 1},
		"no such field": {`{"methodConfig": [{"name": [{}], "timeout": "soon"}]}`, "built in", 4, 1},
	} {
		t.Run(what, func(t *testing.T) {
			log := captureLog(t)
			people, target := startPeople(t)
			people.away.Store(true)
			client := dialPublished(t, target, one.text)
			expect(t, client.Check(within(t, 8*time.Second), uuid.MustParse(people.known)), codes.Unavailable, "")
			if attempts := people.calls.Load(); attempts != one.attempts {
				t.Errorf("users was called %d times, not %d", attempts, one.attempts)
			}
			lines := fmt.Sprint(log.lines(t, "channel"))
			if want := "provider:users serviceConfig:" + one.used; !strings.Contains(lines, want) {
				t.Errorf("the log has %s, not %s", lines, want)
			}
			if warned := log.lines(t, "the published service config cannot be used"); len(warned) != one.warnings {
				t.Errorf("the log has warnings: %v", warned)
			}
		})
	}
}

// The timeout in the published service config limits a call.
func TestServiceConfigTimeout(t *testing.T) {
	people, target := startPeople(t)
	people.hangs.Store(true)
	client, started := dialPublished(t, target, published), time.Now()
	expect(t, client.Check(within(t, 4*time.Second), uuid.MustParse(people.known)), codes.Unavailable, "")
	if took := time.Since(started); took < 200*time.Millisecond || took > time.Second {
		t.Errorf("the call took %v, with a timeout of 250 ms", took)
	}
}
