// Tests of short database outages, as during a move: no call fails, and the delay is bounded.
package server_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"freehold.dev/shop/payments/internal/testdb"
)

const (
	between = 20 * time.Millisecond // between two calls; every second call writes
	away    = 400 * time.Millisecond
	prompt  = 350 * time.Millisecond // the maximum delay beyond the outage, on a busy machine
)

// load records a series of calls: errors, payments (each with a distinct amount in cents) and the longest duration.
type load struct {
	lock    sync.Mutex
	failed  []error
	paid    []int64
	longest time.Duration
}

// call makes one call and waits for the response.
func (l *load) call(t *testing.T, s *shop, number int64) {
	started := time.Now()
	var err error
	if number%2 == 0 {
		_, err = s.pay(t, s.people.known, fmt.Sprint(number), number)
	} else {
		err = s.listWithin(t, 4*time.Second)
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	l.longest = max(l.longest, time.Since(started))
	switch {
	case err != nil:
		l.failed = append(l.failed, err)
	case number%2 == 0:
		l.paid = append(l.paid, number)
	}
}

// run starts calls at a constant rate until the channel is closed, and waits for all responses.
func (l *load) run(t *testing.T, s *shop, stop <-chan struct{}) {
	var calls sync.WaitGroup
	defer calls.Wait()
	beat := time.NewTicker(between)
	defer beat.Stop()
	for number := int64(2); ; number++ {
		select {
		case <-stop:
			return
		case <-beat.C:
			calls.Go(func() { l.call(t, s, number) })
		}
	}
}

// awaitPaid returns when `more` further payments have been made.
func (l *load) awaitPaid(t *testing.T, more int) {
	t.Helper()
	count := func() int {
		l.lock.Lock()
		defer l.lock.Unlock()
		return len(l.paid)
	}
	wanted, end := count()+more, time.Now().Add(10*time.Second)
	for ; count() < wanted; time.Sleep(between) {
		if time.Now().After(end) {
			t.Fatalf("%d payments, expected %d", count(), wanted)
		}
	}
}

func refuse(database *testdb.Database) {
	database.Stop()
	time.Sleep(away)
	database.Resume()
}

// During short outages no call fails or is lost, the delay is bounded, and the health status does not change.
func TestShortOutageFailsNoCall(t *testing.T) {
	for how, one := range map[string]struct {
		interrupt func(*testdb.Database)
		away      time.Duration
	}{
		"refused connections":    {refuse, away},
		"unanswered connections": {func(d *testdb.Database) { d.Hold(func() { time.Sleep(away) }) }, away},
		"ended sessions":         {(*testdb.Database).EndSessions, 0},
	} {
		t.Run(how, func(t *testing.T) {
			log, s, l := captureLog(t), startReady(t), &load{}
			stop, ended := make(chan struct{}), make(chan struct{})
			go func() { defer close(ended); l.run(t, s, stop) }()
			l.awaitPaid(t, 25) // so that the pool has reached its size
			for range 5 {
				one.interrupt(s.database)
				l.awaitPaid(t, 25) // so that no call waits for two outages
			}
			close(stop)
			<-ended

			if len(l.failed) > 0 || l.longest > one.away+prompt {
				t.Errorf("the longest of %d payments took %v; failed: %v", len(l.paid), l.longest, l.failed)
			}
			stored := s.list(t, "", 500)
			slices.Sort(stored)
			slices.Sort(l.paid)
			if !slices.Equal(stored, l.paid) {
				t.Errorf("stored %v, paid %v", stored, l.paid)
			}
			if changes := log.lines(t, "readiness"); len(changes) > 2 {
				t.Errorf("the health status changed: %v", changes)
			}
			t.Logf("%d payments, the longest call %v", len(l.paid), l.longest)
		})
	}
}

// After all connections have failed, a call retries only once, not once per connection.
func TestFailedConnectionsAreReplacedTogether(t *testing.T) {
	s := startReady(t)
	unlock := s.database.Lock("payments")
	var calls sync.WaitGroup
	for range 8 { // the size of the pool
		calls.Go(func() { _ = s.listWithin(t, 4*time.Second) })
	}
	s.awaitWaiting(t, 8, 4*time.Second)
	unlock()
	calls.Wait()

	s.database.EndSessions()

	if err := s.listWithin(t, 200*time.Millisecond); err != nil {
		t.Error(err)
	}
}
