package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/sethvargo/go-retry"
)

// patience is the time to wait for the database to become available.
const patience = 30 * time.Second

//go:embed migrations/*.sql
var packaged embed.FS

// Packaged returns the folder of SQL files of this release.
func Packaged() fs.FS {
	folder, err := fs.Sub(packaged, "migrations")
	if err != nil {
		panic(err) // the folder is part of this program
	}
	return folder
}

// Migrate applies the missing migrations, each in its own transaction, and returns their names. Concurrent runs wait
// for each other with an advisory lock. An error has the file name and the database's message.
func Migrate(ctx context.Context, url string, migrations fs.FS) ([]string, error) {
	database, err := open(url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = database.Close() }()
	if err := await(ctx, database); err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // retries every second, for five minutes
	if err != nil {
		return nil, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, database, migrations, goose.WithSessionLocker(locker))
	if err != nil {
		return nil, err
	}
	results, err := provider.Up(ctx)
	return report(results, err)
}

func open(url string) (*sql.DB, error) {
	settings, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	// A schema change that waits for a lock blocks all later queries; failing is better than blocking the service.
	settings.RuntimeParams["lock_timeout"] = "10s"
	return stdlib.OpenDB(*settings), nil
}

func await(ctx context.Context, database *sql.DB) error {
	pauses := retry.NewExponential(200 * time.Millisecond)
	pauses = retry.WithMaxDuration(patience, retry.WithCappedDuration(3*time.Second, pauses))
	return retry.Do(ctx, pauses, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return retry.RetryableError(database.PingContext(ctx))
	})
}

func report(results []*goose.MigrationResult, err error) ([]string, error) {
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		results = partial.Applied
		err = fmt.Errorf("%s: %w", path.Base(partial.Failed.Source.Path), reason(partial.Err))
	}
	applied := make([]string, 0, len(results))
	for _, result := range results {
		applied = append(applied, path.Base(result.Source.Path))
	}
	return applied, err
}

// reason returns the database's message without the wrapping of libraries.
func reason(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return errors.New(refused.Message)
	}
	return err
}
