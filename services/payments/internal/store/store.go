// Package store keeps payments in the service's own PostgreSQL database.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/sethvargo/go-retry"
)

var (
	// ErrNotFound says that no payment is the one asked for.
	ErrNotFound = errors.New("no such payment")
	// ErrUnavailable says that the database did not answer; the same call may succeed later.
	ErrUnavailable = errors.New("the database does not answer")
)

// Payment is a row of the table payments.
type Payment struct {
	ID             uuid.UUID
	Position       int64
	UserID         uuid.UUID
	Currency       string
	MinorUnits     int64
	IdempotencyKey string
	CreateTime     time.Time
}

// Page says which payments a list has: at most Most, made before the position Before, of one user or of all.
type Page struct {
	UserID *uuid.UUID
	Before *int64
	Most   int
}

// absence is for how long a query is made again, and pause what lies between two attempts: a server that restarts or
// hands over to another is back within it. Then the call fails, and may be tried on another server.
const (
	absence = 2 * time.Second
	pause   = 50 * time.Millisecond
)

const columns = "id, position, user_id, currency, minor_units, idempotency_key, create_time"

// Store reads and writes the table payments, with the rights of the service's own role. Each query may be made twice, as
// the contract says of each method by its idempotency level.
type Store struct{ pool *pgxpool.Pool }

// Open prepares a pool and returns at once: connections are made when they are needed, and made again after the
// database was away.
func Open(url string) (*Store, error) {
	settings, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	settings.MaxConns = 8
	settings.ConnConfig.ConnectTimeout = 3 * time.Second
	settings.ConnConfig.RuntimeParams["application_name"] = "payments"
	settings.BeforeConnect = func(_ context.Context, next *pgx.ConnConfig) error { return trustAnew(url, next) }
	pool, err := pgxpool.NewWithConfig(context.Background(), settings)
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
func (s *Store) Ping(ctx context.Context) error { return s.patiently(ctx, s.pool.Ping) }

// Add stores a payment unless its user has one with that key already. It returns the one that is stored, and whether
// this call stored it.
func (s *Store) Add(ctx context.Context, p Payment) (Payment, bool, error) {
	stored, err := s.one(ctx, "INSERT INTO payments (user_id, currency, minor_units, idempotency_key) "+
		"VALUES ($1, $2, $3, $4) ON CONFLICT (user_id, idempotency_key) DO NOTHING RETURNING "+columns,
		p.UserID, p.Currency, p.MinorUnits, p.IdempotencyKey)
	if errors.Is(err, ErrNotFound) {
		stored, err = s.ByKey(ctx, p.UserID, p.IdempotencyKey)
		return stored, false, err
	}
	return stored, err == nil, err
}

// ByKey finds the payment a user made with an idempotency key.
func (s *Store) ByKey(ctx context.Context, userID uuid.UUID, key string) (Payment, error) {
	return s.one(ctx, "SELECT "+columns+" FROM payments WHERE user_id = $1 AND idempotency_key = $2", userID, key)
}

// Get finds a payment by its id.
func (s *Store) Get(ctx context.Context, id uuid.UUID) (Payment, error) {
	return s.one(ctx, "SELECT "+columns+" FROM payments WHERE id = $1", id)
}

// List returns a page of payments, the newest first.
func (s *Store) List(ctx context.Context, page Page) ([]Payment, error) {
	return s.query(ctx, "SELECT "+columns+" FROM payments "+
		"WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::bigint IS NULL OR position < $2) "+
		"ORDER BY position DESC LIMIT $3", page.UserID, page.Before, page.Most)
}

func (s *Store) one(ctx context.Context, query string, values ...any) (Payment, error) {
	found, err := s.query(ctx, query, values...)
	if err != nil {
		return Payment{}, err
	}
	if len(found) == 0 {
		return Payment{}, ErrNotFound
	}
	return found[0], nil
}

func (s *Store) query(ctx context.Context, query string, values ...any) ([]Payment, error) {
	var found []Payment
	err := s.patiently(ctx, func(ctx context.Context) (err error) {
		rows, _ := s.pool.Query(ctx, query, values...) // its error comes out of CollectRows too
		found, err = pgx.CollectRows(rows, pgx.RowToStructByName[Payment])
		return err
	})
	return found, err
}

// patiently does work that may be done twice, and does it again while the database is away for a moment.
func (s *Store) patiently(ctx context.Context, work retry.RetryFunc) error {
	return retry.Do(ctx, retry.WithMaxDuration(absence, retry.NewConstant(pause)), func(ctx context.Context) error {
		err := classify(ctx, work(ctx))
		if !errors.Is(err, ErrUnavailable) {
			return err
		}
		if connecting := (*pgconn.ConnectError)(nil); !errors.As(err, &connecting) {
			s.pool.Reset() // where one connection ended, the idle ones have too
		}
		return retry.RetryableError(err)
	})
}

// classify marks the errors that will pass. A database that refuses the query itself is a defect and stays as it is,
// unless it says that it is out of connections or room (class 53) or shutting down or starting (57).
func classify(ctx context.Context, err error) error {
	var connecting *pgconn.ConnectError
	var refused *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.As(err, &connecting) && errors.As(err, &refused) && !strings.HasPrefix(refused.Code, "53") &&
		!strings.HasPrefix(refused.Code, "57"):
		return err
	default:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}
