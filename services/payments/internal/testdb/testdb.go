// Package testdb creates databases for tests with the roles that Freehold creates: an owner, and a role that can only
// read and write rows.
package testdb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"freehold.dev/shop/payments/internal/store"
)

// Database is a database for one test.
type Database struct {
	t     testing.TB
	name  string
	admin *url.URL
}

// Empty creates a database without tables.
func Empty(t testing.TB) *Database {
	t.Helper()
	admin, err := url.Parse(os.Getenv("TEST_DATABASE_URL"))
	if err != nil || admin.Scheme == "" {
		t.Fatal("set TEST_DATABASE_URL, or run the tests as: services/with-postgres go test ./...")
	}
	d := &Database{t, fmt.Sprintf("t%012x", rand.Uint64()>>16), admin}
	d.Admin("CREATE ROLE " + d.name + "_owner LOGIN")
	d.Admin("CREATE ROLE " + d.name + "_app LOGIN")
	d.Admin("CREATE DATABASE " + d.name + " OWNER " + d.name + "_owner")
	d.Run("owner", "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "+d.name+"_app")
	return d
}

// Migrated creates a database with the schema of this release.
func Migrated(t testing.TB) *Database {
	t.Helper()
	d := Empty(t)
	if _, err := store.Migrate(t.Context(), d.URL("owner"), store.Packaged()); err != nil {
		t.Fatal(err)
	}
	return d
}

// URL returns the connection URI of a role: owner or app.
func (d *Database) URL(role string) string {
	found := *d.admin
	found.User = url.UserPassword(d.name+"_"+role, "correct-horse") // the socket needs no password
	found.Path = "/" + d.name
	return found.String()
}

// Stop refuses connections and ends existing ones, as during a restart of the server.
func (d *Database) Stop() {
	d.t.Helper()
	d.Admin("ALTER DATABASE " + d.name + " ALLOW_CONNECTIONS false")
	d.EndSessions()
}

// EndSessions ends existing sessions; new ones are accepted at once.
func (d *Database) EndSessions() {
	d.t.Helper()
	d.Admin(d.ending())
}

// Hold ends all sessions, and suspends the postmaster during a function, so that new connections are not answered.
func (d *Database) Hold(meanwhile func()) {
	d.t.Helper()
	admin := d.connect(d.admin.String()) // connected before the postmaster is suspended
	defer func() { _ = admin.Close(context.Background()) }()
	var postmaster int
	err := admin.QueryRow(context.Background(),
		"SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int").Scan(&postmaster)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := syscall.Kill(postmaster, syscall.SIGSTOP); err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(postmaster, syscall.SIGCONT) }()
	if _, err := admin.Exec(context.Background(), d.ending()); err != nil {
		d.t.Error(err)
	}
	meanwhile()
}

func (d *Database) ending() string {
	return "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + d.name + "'"
}

// Resume accepts connections again.
func (d *Database) Resume() {
	d.t.Helper()
	d.Admin("ALTER DATABASE " + d.name + " ALLOW_CONNECTIONS true")
}

// Waiting returns the number of queries that wait for a lock.
func (d *Database) Waiting() int {
	d.t.Helper()
	connection := d.connect(d.admin.String())
	defer func() { _ = connection.Close(context.Background()) }()
	var count int
	err := connection.QueryRow(context.Background(),
		"SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'", d.name).Scan(&count)
	if err != nil {
		d.t.Fatal(err)
	}
	return count
}

// Lock locks a table until the returned function is called.
func (d *Database) Lock(table string) func() {
	d.t.Helper()
	connection := d.connect(d.URL("owner"))
	if _, err := connection.Exec(context.Background(), "BEGIN; LOCK TABLE "+table); err != nil {
		d.t.Fatal(err)
	}
	return func() { _ = connection.Close(context.Background()) }
}

// Admin runs a statement as the server's superuser.
func (d *Database) Admin(statement string) {
	d.t.Helper()
	d.run(d.admin.String(), statement)
}

// Run runs a statement in the database as a role, owner or app.
func (d *Database) Run(role, statement string) {
	d.t.Helper()
	d.run(d.URL(role), statement)
}

func (d *Database) run(url, statement string) {
	d.t.Helper()
	connection := d.connect(url)
	defer func() { _ = connection.Close(context.Background()) }()
	if _, err := connection.Exec(context.Background(), statement); err != nil {
		d.t.Fatalf("%s: %v", statement, err)
	}
}

func (d *Database) connect(url string) *pgx.Conn {
	d.t.Helper()
	connection, err := pgx.Connect(context.Background(), url)
	if err != nil {
		d.t.Fatal(err)
	}
	return connection
}
