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
	// ErrNotFound says that there is no note of that id.
	ErrNotFound = errors.New("no such note")
	// ErrUnavailable says that the database did not answer; the same call may succeed later.
	ErrUnavailable = errors.New("the database does not answer")
)

// absence is for how long a statement is made again, and pause what lies between two attempts: a server that restarts or
// hands over to another is back within it.
const (
	absence = 2 * time.Second
	pause   = 50 * time.Millisecond
)

// Store reads and writes the table notes, with the rights of the service's own role.
type Store struct{ pool *pgxpool.Pool }

// Open prepares a pool and returns at once: connections are made when they are needed, and made again after the
// database was away.
func Open(url string) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 8
	config.ConnConfig.ConnectTimeout = 3 * time.Second
	config.ConnConfig.RuntimeParams["application_name"] = settings.Service
	config.BeforeConnect = func(_ context.Context, next *pgx.ConnConfig) error { return trustAnew(url, next) }
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, err
	}
	return &Store{pool}, nil
}

// trustAnew reads the certificates that a URL names again, for those of the pool's start may have been replaced.
func trustAnew(url string, next *pgx.ConnConfig) error {
	current, err := pgx.ParseConfig(url)
	if err == nil {
		next.TLSConfig, next.Fallbacks = current.TLSConfig, current.Fallbacks
	}
	return err
}

// Close waits for queries under way and closes the connections.
func (s *Store) Close() { s.pool.Close() }

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return s.patiently(ctx, func() error { return s.pool.Ping(ctx) })
}

// Put stores a note, in place of one with the same id.
func (s *Store) Put(ctx context.Context, id, text string) error {
	return s.patiently(ctx, func() error {
		_, err := s.pool.Exec(ctx, "INSERT INTO notes (id, text) VALUES ($1, $2) "+
			"ON CONFLICT (id) DO UPDATE SET text = excluded.text, update_time = now()", id, text)
		return err
	})
}

// Get returns the text of a note, or ErrNotFound.
func (s *Store) Get(ctx context.Context, id string) (text string, err error) {
	err = s.patiently(ctx, func() error {
		return s.pool.QueryRow(ctx, "SELECT text FROM notes WHERE id = $1", id).Scan(&text)
	})
	return text, err
}

// patiently does work that may be done twice, and does it again while the database is away for a moment.
func (s *Store) patiently(ctx context.Context, work func() error) error {
	for end := time.Now().Add(absence); ; {
		err := classify(ctx, work())
		if !errors.Is(err, ErrUnavailable) || time.Now().After(end) {
			return err
		}
		if connecting := (*pgconn.ConnectError)(nil); !errors.As(err, &connecting) {
			s.pool.Reset() // where one connection ended, the idle ones have too
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// classify marks the errors that will pass. A database that refuses the query itself is a defect and stays as it is,
// unless it says that it is out of connections or room (class 53) or shutting down or starting (57).
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
