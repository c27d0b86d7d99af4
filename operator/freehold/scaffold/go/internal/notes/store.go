package notes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.org/example-service/internal/settings"
)

var (
	// ErrNotFound is returned if no note has the id.
	ErrNotFound = errors.New("no such note")
	// ErrUnavailable is returned if the database is unavailable; the same call may succeed later.
	ErrUnavailable = errors.New("the database does not answer")
)

// absence is the time during which a statement is retried, and pause the time between two attempts: enough for a
// restart or a switchover of the database.
const (
	absence = 2 * time.Second
	pause   = 50 * time.Millisecond
)

// Store reads and writes the table notes, with the rights of the service's own role.
type Store struct{ pool *pgxpool.Pool }

// Open creates a pool without connecting: connections are made on demand, and again after a database outage.
func Open(url string) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 8
	config.ConnConfig.ConnectTimeout = 3 * time.Second
	config.ConnConfig.RuntimeParams["application_name"] = settings.Service
	config.BeforeConnect = func(_ context.Context, next *pgx.ConnConfig) error { return reloadCertificates(url, next) }
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, err
	}
	return &Store{pool}, nil
}

// reloadCertificates reads the certificates in the URL again, because they may have been replaced since the start.
func reloadCertificates(url string, next *pgx.ConnConfig) error {
	current, err := pgx.ParseConfig(url)
	if err == nil {
		next.TLSConfig, next.Fallbacks = current.TLSConfig, current.Fallbacks
	}
	return err
}

// Close waits for running queries and closes the connections.
func (s *Store) Close() { s.pool.Close() }

// Ping returns an error if the database is unavailable.
func (s *Store) Ping(ctx context.Context) error {
	return s.retry(ctx, func() error { return s.pool.Ping(ctx) })
}

// Put stores a note, and replaces one with the same id.
func (s *Store) Put(ctx context.Context, id, text string) error {
	return s.retry(ctx, func() error {
		_, err := s.pool.Exec(ctx, "INSERT INTO notes (id, text) VALUES ($1, $2) "+
			"ON CONFLICT (id) DO UPDATE SET text = excluded.text, update_time = now()", id, text)
		return err
	})
}

// Get returns the text of a note, or ErrNotFound.
func (s *Store) Get(ctx context.Context, id string) (text string, err error) {
	err = s.retry(ctx, func() error {
		return s.pool.QueryRow(ctx, "SELECT text FROM notes WHERE id = $1", id).Scan(&text)
	})
	return text, err
}

// retry calls an idempotent function, repeatedly during a short database outage.
func (s *Store) retry(ctx context.Context, work func() error) error {
	for end := time.Now().Add(absence); ; {
		err := classify(ctx, work())
		if !errors.Is(err, ErrUnavailable) || time.Now().After(end) {
			return err
		}
		if connecting := (*pgconn.ConnectError)(nil); !errors.As(err, &connecting) {
			s.pool.Reset() // when one connection fails, the idle ones have failed too
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// classify wraps temporary errors in ErrUnavailable. Other errors of the database are defects and stay unchanged; its
// error classes 53 (insufficient resources) and 57 (operator intervention, startup) are temporary.
func classify(ctx context.Context, err error) error {
	var connecting *pgconn.ConnectError
	var refused *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNotFound
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.As(err, &connecting) && errors.As(err, &refused) && !strings.HasPrefix(refused.Code, "53") &&
		!strings.HasPrefix(refused.Code, "57"):
		return err
	default:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}
