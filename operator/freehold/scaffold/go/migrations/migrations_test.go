package migrations_test

import (
	"slices"
	"sync"
	"testing"
	"testing/fstest"

	"example.org/example-service/internal/testdb"
	"example.org/example-service/migrations"
)

// A second run applies nothing.
func TestApplyTwice(t *testing.T) {
	database := testdb.Empty(t)
	for _, want := range [][]string{{"0001_create_notes.sql"}, nil} {
		applied, err := migrations.Apply(t.Context(), database.URL("owner"), migrations.Packaged)
		if err != nil || !slices.Equal(applied, want) {
			t.Fatalf("applied %q, want %q; error %v", applied, want, err)
		}
	}
}

// Two concurrent runs apply each file once.
func TestApplyConcurrently(t *testing.T) {
	database := testdb.Empty(t)
	slow := files(map[string]string{"1.sql": "CREATE TABLE a (); SELECT pg_sleep(0.3)", "2.sql": "CREATE TABLE b ()"})
	var both sync.WaitGroup
	var count [2]int
	for run := range count {
		both.Go(func() {
			applied, err := migrations.Apply(t.Context(), database.URL("owner"), slow)
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
func TestApplyFailedFile(t *testing.T) {
	database := testdb.Empty(t)
	applied, err := migrations.Apply(t.Context(), database.URL("owner"), files(map[string]string{
		"1_good.sql": "CREATE TABLE good ()",
		"2_bad.sql":  "CREATE TABLE half (); SELECT * FROM absent",
	}))
	if err == nil || err.Error() != `2_bad.sql: relation "absent" does not exist` {
		t.Errorf("the error is %v", err)
	}
	if !slices.Equal(applied, []string{"1_good.sql"}) {
		t.Errorf("applied %q", applied)
	}
	database.Run("owner", "CREATE TABLE half ()") // fails if the table exists
	database.Run("owner", "DROP TABLE good")
}

func files(content map[string]string) fstest.MapFS {
	folder := fstest.MapFS{}
	for name, statements := range content {
		folder[name] = &fstest.MapFile{Data: []byte(statements)}
	}
	return folder
}
