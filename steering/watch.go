package steering

import (
	"context"
	"errors"
	"time"
)

// watchTries is how often in a row a table may be unreadable: one that changes while it is
// read can be, and is whole the next time.
const watchTries = 60

// Watch calls changed with each new table, until ctx ends or the group is
// destroyed; the table known when Watch starts is not reported. It looks every so
// often, with two system calls. Calls come from the caller's goroutine, one at a
// time; a change that comes while one is under way is seen after it, and of
// several only the last.
//
// It returns nil when ctx ends, and ErrNoGroup when the group is gone, even if
// there is a new one of the same name: sockets in the old one receive nothing of
// the new. Another error has come 60 times in a row.
func (g *Group) Watch(ctx context.Context, every time.Duration, changed func(*Table)) error {
	seen, failed := g.Table(), 0
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		t, err := g.Reload()
		if errors.Is(err, ErrNoGroup) {
			return err
		}
		if err != nil {
			if failed++; failed == watchTries {
				return err
			}
			continue
		}
		failed = 0
		if t.generation != seen.generation {
			seen = t
			changed(t)
		}
	}
}
