// Package migrations applies each SQL file in this folder once, in the order of the file names.
package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Packaged are the files of this release.
//
//go:embed *.sql
var Packaged embed.FS

const (
	// patience is the time to wait for the database to become available.
	patience = 30 * time.Second
	// lock serializes runs; any number works that no other program uses in this database.
	lock    = 0x6e6f746573
	history = "CREATE TABLE IF NOT EXISTS schema_migrations (" +
		"name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
)

// Apply applies the missing files, each in its own transaction, and returns their names. Concurrent runs wait for each
// other. An error has the file name and the database's message.
func Apply(ctx context.Context, url string, files fs.FS) ([]string, error) {
	database, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = database.Close(context.WithoutCancel(ctx)) }()
	if _, err := database.Exec(ctx, "SELECT pg_advisory_lock($1)", lock); err != nil {
		return nil, err
	}
	// A schema change that waits for a lock blocks all later queries; failing is better than blocking the service.
	if _, err := database.Exec(ctx, "SET lock_timeout = '10s'"); err != nil {
		return nil, err
	}
	if _, err := database.Exec(ctx, history); err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var applied []string
	for _, name := range names {
		fresh, err := apply(ctx, database, files, name)
		if err != nil {
			return applied, fmt.Errorf("%s: %w", name, reason(err))
		}
		if fresh {
			applied = append(applied, name)
		}
	}
	return applied, nil
}

// apply applies one file unless it has been applied, and returns whether it did.
func apply(ctx context.Context, database *pgx.Conn, files fs.FS, name string) (bool, error) {
	statements, err := fs.ReadFile(files, name)
	if err != nil {
		return false, err
	}
	fresh := false
	err = pgx.BeginFunc(ctx, database, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, "INSERT INTO schema_migrations (name) VALUES ($1) ON CONFLICT DO NOTHING", name)
		if err != nil || done.RowsAffected() == 0 {
			return err
		}
		fresh = true
		_, err = tx.Exec(ctx, string(statements))
		return err
	})
	return fresh, err
}

func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, 3*time.Second) {
		database, err := pgx.Connect(ctx, url)
		if err == nil {
			return database, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

// reason returns the database's message.
func reason(err error) error {
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) {
		return errors.New(refused.Message)
	}
	return err
}
