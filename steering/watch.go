package steering

import (
	"context"
	"time"
)

// Watch calls changed with each new table, until ctx ends or the group is
// destroyed; the table known when Watch starts is not reported. It looks every so
// often, with two system calls. Calls come from the caller's goroutine, one at a
// time; a change that comes while one is under way is seen after it, and of
// several only the last.
//
// It returns nil when ctx ends, and ErrNoGroup when the group is gone, even if
// there is a new one of the same name: sockets in the old one receive nothing of
// the new.
func (g *Group) Watch(ctx context.Context, every time.Duration, changed func(*Table)) error {
	seen := g.Table()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		t, err := g.Reload()
		if err != nil {
			return err
		}
		if t.generation != seen.generation {
			seen = t
			changed(t)
		}
	}
}
