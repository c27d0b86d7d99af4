// Package store stores payments in the service's own PostgreSQL database.
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
	// ErrNotFound is returned if no payment matches.
	ErrNotFound = errors.New("no such payment")
	// ErrUnavailable is returned if the database is unavailable; the same call may succeed later.
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

// Page selects the payments of a list: at most Most, before a position, of one user or of all.
type Page struct {
	UserID *uuid.UUID
	Before *int64
	Most   int
}

// absence is the time during which a query is retried, and pause the time between two attempts: enough for a restart or
// a switchover of the database. Afterwards the call fails, and the client may retry on another server.
const (
	absence = 2 * time.Second
	pause   = 50 * time.Millisecond
)

const columns = "id, position, user_id, currency, minor_units, idempotency_key, create_time"

// Store reads and writes the table payments, with the rights of the service's own role. All queries are idempotent, as
// the idempotency levels of the contract require, and may be repeated.
type Store struct{ pool *pgxpool.Pool }

// Open creates a pool without connecting: connections are made on demand, and again after a database outage.
func Open(url string) (*Store, error) {
	settings, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	settings.MaxConns = 8
	settings.ConnConfig.ConnectTimeout = 3 * time.Second
	settings.ConnConfig.RuntimeParams["application_name"] = "payments"
	settings.BeforeConnect = func(_ context.Context, next *pgx.ConnConfig) error { return reloadCertificates(url, next) }
	pool, err := pgxpool.NewWithConfig(context.Background(), settings)
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
func (s *Store) Ping(ctx context.Context) error { return s.retry(ctx, s.pool.Ping) }

// Add stores a payment unless the user has a payment with this key. Add returns the stored payment, and whether this
// call stored it.
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

// ByKey returns the payment of a user with an idempotency key.
func (s *Store) ByKey(ctx context.Context, userID uuid.UUID, key string) (Payment, error) {
	return s.one(ctx, "SELECT "+columns+" FROM payments WHERE user_id = $1 AND idempotency_key = $2", userID, key)
}

// Get returns the payment with an id.
func (s *Store) Get(ctx context.Context, id uuid.UUID) (Payment, error) {
	return s.one(ctx, "SELECT "+columns+" FROM payments WHERE id = $1", id)
}

// List returns a page of payments, newest first.
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
	err := s.retry(ctx, func(ctx context.Context) (err error) {
		rows, _ := s.pool.Query(ctx, query, values...) // CollectRows returns the error
		found, err = pgx.CollectRows(rows, pgx.RowToStructByName[Payment])
		return err
	})
	return found, err
}

// retry calls an idempotent function, repeatedly during a short database outage.
func (s *Store) retry(ctx context.Context, work retry.RetryFunc) error {
	return retry.Do(ctx, retry.WithMaxDuration(absence, retry.NewConstant(pause)), func(ctx context.Context) error {
		err := classify(ctx, work(ctx))
		if !errors.Is(err, ErrUnavailable) {
			return err
		}
		if connecting := (*pgconn.ConnectError)(nil); !errors.As(err, &connecting) {
			s.pool.Reset() // when one connection fails, the idle ones have failed too
		}
		return retry.RetryableError(err)
	})
}

// classify wraps temporary errors in ErrUnavailable. Other errors of the database are defects and stay unchanged; its
// error classes 53 (insufficient resources) and 57 (operator intervention, startup) are temporary.
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
