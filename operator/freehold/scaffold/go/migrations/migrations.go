// Package migrations brings the schema up to date: each SQL file of this folder once, in the order of their names.
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
	// patience is how long a database that is not there yet is waited for.
	patience = 30 * time.Second
	// lock keeps two runs apart; any number does that no other program uses in this database.
	lock    = 0x6e6f746573
	history = "CREATE TABLE IF NOT EXISTS schema_migrations (" +
		"name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
)

// Apply runs what is missing, each file in a transaction of its own, and returns the names of those. Two runs at once
// wait for each other. An error names the file and has the database's reason.
func Apply(ctx context.Context, url string, files fs.FS) ([]string, error) {
	database, err := connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = database.Close(context.WithoutCancel(ctx)) }()
	if _, err := database.Exec(ctx, "SELECT pg_advisory_lock($1)", lock); err != nil {
		return nil, err
	}
	// Every later query queues behind a change that waits for its lock: rather fail than stop the service.
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

// apply runs one file unless it was run before, and says whether it did.
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

// reason is the database's own sentence.
func reason(err error) error {
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) {
		return errors.New(refused.Message)
	}
	return err
}
