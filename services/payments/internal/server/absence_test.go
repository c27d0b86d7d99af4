// A database that is away for a moment, as when it moves: no call fails, none waits longer than it must.
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
	between = 20 * time.Millisecond // from one call to the next; every second one writes
	away    = 400 * time.Millisecond
	prompt  = 350 * time.Millisecond // beyond the absence, on a machine that does other things too
)

// load is calls that go on: what failed, what was paid, in cents that no other call pays, and the longest call.
type load struct {
	lock    sync.Mutex
	failed  []error
	paid    []int64
	longest time.Duration
}

// call makes one, and returns when it is answered.
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

// run begins calls, however long those before take, until the channel is closed, and returns when all are answered.
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

// awaitPaid returns once so many more are paid.
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
			t.Fatalf("%d are paid, and %d should be", count(), wanted)
		}
	}
}

func refuse(database *testdb.Database) {
	database.GoAway()
	time.Sleep(away)
	database.ComeBack()
}

func TestADatabaseThatIsAwayForAMomentFailsNoCall(t *testing.T) {
	for how, one := range map[string]struct {
		leave func(*testdb.Database)
		away  time.Duration
	}{
		"it refuses connections": {refuse, away},
		"it holds connections":   {func(d *testdb.Database) { d.Hold(func() { time.Sleep(away) }) }, away},
		"it ends sessions alone": {(*testdb.Database).EndSessions, 0},
	} {
		t.Run(how, func(t *testing.T) {
			log, s, l := captureLog(t), startReady(t), &load{}
			stop, ended := make(chan struct{}), make(chan struct{})
			go func() { defer close(ended); l.run(t, s, stop) }()
			l.awaitPaid(t, 25) // so that the pool has grown to what the calls need
			for range 5 {
				one.leave(s.database)
				l.awaitPaid(t, 25) // the ten or so that waited, and more, lest one waits for two absences
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
			if turned := log.lines(t, "readiness"); len(turned) > 2 {
				t.Errorf("the health turned: %v", turned)
			}
			t.Logf("%d payments, the longest call %v", len(l.paid), l.longest)
		})
	}
}

func TestOneCallDoesNotTryEveryConnectionThatEnded(t *testing.T) {
	s := startReady(t)
	unlock := s.database.Lock("payments")
	var calls sync.WaitGroup
	for range 8 { // as many as the pool may have
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
