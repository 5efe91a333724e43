package collector

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// TestAProgramIsTriedAgain has the group's lock missed twice: the sockets get the program all the same, without another change of the table.
func TestAProgramIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorker(Default(), Env{Stdout: io.Discard, Log: slog.New(slog.DiscardHandler)})
		tries := 0
		f := &follower{w: w, stale: make(chan struct{}, 1), attach: func(ctx context.Context) (uint32, error) {
			if tries++; tries <= 2 {
				<-ctx.Done()
				return 0, context.Cause(ctx)
			}
			return 7, nil
		}}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			f.refresh(ctx)
			close(ended)
		}()
		f.outdated()
		time.Sleep(2*(lockPatience+refreshAgain) + time.Second)
		if rev := f.program.Load(); tries != 3 || rev != 7 {
			t.Errorf("%d tries, program %d, want 3 and 7", tries, rev)
		}
		time.Sleep(10 * refreshAgain)
		if tries != 3 {
			t.Errorf("%d tries after one that worked", tries-3)
		}
		f.outdated()
		synctest.Wait()
		if tries != 4 {
			t.Errorf("%d tries after a change, want one", tries-3)
		}

		// The end of the worker ends a try, and is no reason for another one.
		f.attach = func(ctx context.Context) (uint32, error) {
			tries++
			<-ctx.Done()
			return 0, errors.New("ended")
		}
		f.outdated()
		synctest.Wait()
		stop()
		<-ended
		if tries != 5 {
			t.Errorf("%d tries, want 5", tries)
		}
	})
}

// TestRate measures over half a second at least, however often it is asked.
func TestRate(t *testing.T) {
	f := &follower{}
	start := time.Unix(1000, 0)
	for i, c := range []struct {
		at        time.Duration
		datagrams uint64
		want      uint64
	}{
		{0, 500, 0},
		{time.Millisecond, 516, 0},
		{time.Second, 1000, 500},
		{time.Second + time.Millisecond, 1000, 500},
		{time.Second + 2*time.Millisecond, 1064, 500},
		{2 * time.Second, 1100, 100},
		{12 * time.Second, 1100, 0},
	} {
		if got := f.rateAt(start.Add(c.at), c.datagrams); got != c.want {
			t.Errorf("%d: got %d a second, want %d", i, got, c.want)
		}
	}
}
