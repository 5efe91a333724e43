package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telcol/telcol/steering"
)

// follower keeps a worker and its steering group in step: it takes up changes of the table, and tells the group about the worker.
type follower struct {
	w     *worker
	group *steering.Group

	attach  func(context.Context) (revision uint32, err error) // gives the sockets the program that is pinned
	program atomic.Uint32                                      // revision that the sockets have
	stale   chan struct{}                                      // says that they may have another one than is pinned
	moved   atomic.Uint64                                      // connections closed because their device has moved
	sighted chan []netip.Addr
	fail    chan<- error // takes what ends the worker

	// Of tell.
	datagrams uint64
	at        time.Time
	rate      uint64    // as it was last told
	conns     time.Time // when the sources of connections were last told
	lost      time.Time // when the slot was first seen to be another's
}

const (
	watchEvery   = time.Second      // how soon a change of the table is seen
	beatEvery    = time.Second      // how often the worker tells about itself
	refreshAgain = 15 * time.Second // after a program could not be attached

	// lostPatience is for a process that replaces this one without its help: it takes the slot, so that no datagram finds it empty, and then
	// asks this one to stop, which is to end in order.
	lostPatience = 5 * time.Second
)

func newFollower(w *worker) *follower {
	return &follower{
		w: w, group: w.sockets.group, sighted: make(chan []netip.Addr, 1), stale: make(chan struct{}, 1),
		attach: func(ctx context.Context) (uint32, error) { return w.sockets.held.Refresh(ctx) },
	}
}

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) {
	if f == nil {
		return
	}
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() { f.tell(ctx) })
	refreshing, stop := context.WithCancel(ctx)
	defer stop()
	f.outdated() // what has changed between opening the group and now
	parts.Go(func() { f.refresh(refreshing) })
	err := f.group.Watch(ctx, watchEvery, func(t *steering.Table) {
		f.w.log.Info("steering table has changed", "generation", t.Generation(), "slots", t.Slots())
		f.outdated()
		f.w.aliases.refresh(ctx)
		f.shut(t)
		parts.Go(func() { f.leave(ctx) })
	})
	if err != nil {
		f.w.log.Error("steering group is gone; this worker keeps what reaches it until there is a new one, no other can join", "err", err)
	}
	if errors.Is(err, steering.ErrNoGroup) {
		stop() // there is no program any more
		f.awaitNext(ctx)
	}
}

// awaitNext ends the worker when there is another group of that name: the first worker to join it gives the port that group's program, which
// knows nothing of this one's sockets.
func (f *follower) awaitNext(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		g, err := steering.Open(f.group.Root(), f.group.Name())
		if err == nil {
			g.Close()
			f.end(fmt.Errorf("steering group %q was made anew, and this worker is not in it: start it again", f.group.Name()))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// end ends the worker with an error, unless something does already.
func (f *follower) end(err error) {
	select {
	case f.fail <- err:
	default:
	}
}

// outdated has refresh look at the program that is pinned.
func (f *follower) outdated() {
	select {
	case f.stale <- struct{}{}:
	default:
	}
}

// refresh gives the sockets the program that is pinned, when it may have changed, until ctx ends. What did not work, perhaps because another
// process kept the group's lock for long, is tried again after a while: until then the sockets keep the program that they have.
func (f *follower) refresh(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.stale:
		case <-again:
		}
		again = nil
		if err := f.attachPinned(ctx); err != nil && ctx.Err() == nil {
			f.w.warn.warn("steering program not refreshed, the sockets keep the one they have for now",
				slog.Any("err", err), slog.Duration("tried again in", refreshAgain))
			again = time.After(refreshAgain)
		}
	}
}

func (f *follower) attachPinned(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	rev, err := f.attach(ctx)
	if err != nil {
		return err
	}
	if old := f.program.Swap(rev); old != rev {
		f.w.log.Info("steering program attached", "revision", rev)
	}
	return nil
}

// shut closes the connections of sources that are not let in any more: the program keeps new ones out, and knows nothing of those that are open.
func (f *follower) shut(t *steering.Table) {
	if n := f.w.conns.closeRefused(t.Allows); n > 0 {
		f.w.log.Info("sessions of sources that are not let in any more were closed", "sessions", n)
	}
}

// leave closes the connections of devices that have moved.
func (f *follower) leave(ctx context.Context) {
	n := f.w.conns.closeMoved(ctx, f.w.cfg.Intake.MoveSpread, f.w.owned.owns)
	f.moved.Add(uint64(n))
	if n > 0 {
		f.w.log.Info("sessions of devices that moved to other slots were closed", "sessions", n)
	}
}

// tell publishes the worker's report and the sources that it sees. A worker whose owner goroutine does not answer tells nothing: the age
// of its report is how others find it.
func (f *follower) tell(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		f.beat(ctx)
		select {
		case <-ctx.Done():
			return
		case addrs := <-f.sighted:
			f.sight(addrs)
		case <-tick.C:
		}
	}
}

func (f *follower) beat(ctx context.Context) {
	if f.evicted() {
		return // the place for the report is another's
	}
	s, ok := f.w.core.snapshot(ctx)
	if !ok {
		return
	}
	now := time.Now()
	r := f.report(s)
	r.Rate = f.rateAt(now, s.counted.datagrams)
	if err := f.group.Publish(f.w.cfg.Slot, r); err != nil {
		f.w.warn.warn("report to the steering group failed", slog.Any("err", err))
	}
	if now.Sub(f.conns) >= sightEvery {
		f.conns = now
		f.sight(f.w.conns.devices())
	}
}

// rateAt gives the rate of the datagrams since it was last measured, half a beat ago at least: in less, a batch or none would make it anything.
func (f *follower) rateAt(now time.Time, datagrams uint64) uint64 {
	span := now.Sub(f.at)
	if !f.at.IsZero() && span < beatEvery/2 {
		return f.rate
	}
	if !f.at.IsZero() {
		f.rate = uint64(float64(datagrams-f.datagrams)/span.Seconds() + 0.5)
	}
	f.datagrams, f.at = datagrams, now
	return f.rate
}

// evicted reports whether the slot is another's. It ends a worker whose slot somebody took away because it was stuck or stopped, and which got
// on after all.
func (f *follower) evicted() bool {
	lost, err := f.w.sockets.held.Lost()
	if err != nil || !lost || !f.w.sockets.receiving() {
		return false
	}
	now := time.Now()
	if f.lost.IsZero() {
		f.lost = now
		f.w.log.Info("the slot is not this worker's any more, it waits to be asked to stop", "for", lostPatience)
	}
	if now.Sub(f.lost) >= lostPatience {
		f.end(fmt.Errorf("slot %d was taken away from this worker, which others saw stuck", f.w.cfg.Slot))
	}
	return true
}

func (f *follower) report(s *snapshot) steering.Report {
	drops, _ := f.w.sockets.drops() // what is known of them
	return steering.Report{
		PID: uint32(os.Getpid()), Program: f.program.Load(), Generation: f.group.Table().Generation(),
		Devices: uint64(s.totals.Devices), Sessions: uint64(s.totals.BMPSessions),
		Datagrams: s.counted.datagrams, ReceiveDrops: drops, Foreign: s.counted.foreign, ForeignConns: f.w.foreignSessions.Load() + f.w.streams.foreign.Load(),
		Moved: f.moved.Load() + f.w.streams.moved.Load(), Probes: s.counted.probes + f.w.probes.Load(), Cookie: f.w.sockets.held.Cookie(),
	}
}

func (f *follower) sight(addrs []netip.Addr) {
	if err := f.group.Sight(f.w.cfg.Slot, addrs); err != nil {
		f.w.warn.warn("devices not told to the steering group", slog.Any("err", err))
	}
}
