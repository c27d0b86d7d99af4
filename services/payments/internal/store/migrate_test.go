package store_test

import (
	"slices"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"freehold.dev/shop/payments/internal/store"
	"freehold.dev/shop/payments/internal/testdb"
)

func files(content map[string]string) fstest.MapFS {
	folder := fstest.MapFS{}
	for name, sql := range content {
		folder[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)}
	}
	return folder
}

// A second run applies nothing.
func TestMigrateTwice(t *testing.T) {
	database := testdb.Empty(t)
	for _, want := range [][]string{{"0001_create_payments.sql"}, {}} {
		applied, err := store.Migrate(t.Context(), database.URL("owner"), store.Packaged())
		if err != nil || !slices.Equal(applied, want) {
			t.Fatalf("applied %q, want %q; error %v", applied, want, err)
		}
	}
}

// Two concurrent runs apply each file once.
func TestMigrateConcurrently(t *testing.T) {
	database := testdb.Empty(t)
	slow := files(map[string]string{"0001_a.sql": "SELECT pg_sleep(0.3);", "0002_b.sql": "CREATE TABLE b ();"})
	var both sync.WaitGroup
	var count [2]int
	for run := range count {
		both.Go(func() {
			applied, err := store.Migrate(t.Context(), database.URL("owner"), slow)
			if err != nil {
				t.Error(err)
			}
			count[run] = len(applied)
		})
	}
	both.Wait()
	if count != [2]int{2, 0} && count != [2]int{0, 2} {
		t.Fatalf("the runs applied %v files; one should have applied both", count)
	}
}

// A failed file is rolled back and reported with its cause.
func TestMigrateFailedFile(t *testing.T) {
	database := testdb.Empty(t)
	applied, err := store.Migrate(t.Context(), database.URL("owner"), files(map[string]string{
		"0001_good.sql": "CREATE TABLE good ();",
		"0002_bad.sql":  "CREATE TABLE half (); SELECT * FROM absent;",
	}))
	if err == nil || err.Error() != `0002_bad.sql: relation "absent" does not exist` {
		t.Errorf("the error is %v", err)
	}
	if !slices.Equal(applied, []string{"0001_good.sql"}) {
		t.Errorf("applied %q", applied)
	}
	database.Run("owner", "CREATE TABLE half ()") // fails if the table exists
	database.Run("owner", "DROP TABLE good")
}

// The service's role can change rows, but no tables.
func TestServiceRoleRights(t *testing.T) {
	database := testdb.Migrated(t)
	connection, err := pgx.Connect(t.Context(), database.URL("app"))
	if err != nil {
		t.Fatal(err)
	}
	for statement, allowed := range map[string]bool{
		"SELECT * FROM payments": true,
		"CREATE TABLE mine ()":   false,
		"DROP TABLE payments":    false,
	} {
		if _, err := connection.Exec(t.Context(), statement); (err == nil) != allowed {
			t.Errorf("%s: allowed should be %t; error %v", statement, allowed, err)
		}
	}
	if err := connection.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
