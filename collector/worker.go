package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/collector/glass"
	"github.com/telcol/telcol/collector/intake"
)

// Env carries what a worker takes from its surroundings, so that a test can replace it.
type Env struct {
	Stdout io.Writer // records of the stdout sink, nothing else
	Log    *slog.Logger

	// Notify, if there is a manager of processes, tells it how the worker is, in the words of sd_notify: READY=1, WATCHDOG=1 every
	// second while the owner of the devices answers, RELOADING=1 and MAINPID while another process takes over, STOPPING=1. Any goroutine
	// may call it.
	Notify func(state string)

	// Takeover has the worker take the slot over from the one that holds it: sockets, connections and all that it knows. Where nobody holds
	// the slot it makes no difference.
	Takeover bool

	// Replace asks the worker to start the process that takes over from it, whose command Successor makes, or says why there cannot be one. The
	// worker goes on when that does not work.
	Replace   <-chan struct{}
	Successor func() (*exec.Cmd, error)
}

// Run runs one worker until ctx ends, then stops taking, delivers what was taken and returns. An error says in one
// sentence what is wrong and what to do. Errors that wrap ErrConfig are wrong use, all others are failures of a run.
func Run(ctx context.Context, cfg Config, env Env) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	w := newWorker(cfg, env)
	if err := w.start(ctx); err != nil {
		w.abandon()
		return err
	}
	return w.run(ctx)
}

// worker is one running worker. Parts are built in the order of the fields and end in reverse.
type worker struct {
	cfg Config
	env Env
	log *slog.Logger

	sink    Sink
	events  *events // nil when events are off
	core    *core
	sockets *sockets
	streams *streams
	glass   *glass.Glass
	http    *httpServer
	state   *stateDir  // nil without --state-dir
	owned   *ownership // nil when steering is off
	warn    *sampled
	follow  *follower  // nil when steering is off
	lost    chan error // takes what ends the worker beside its readers; whoever finds it full has nothing to add

	// Of the BMP sessions' goroutines.
	attributes      *bgp.Cache // decoded path attributes, shared by all sessions
	sessions        atomic.Uint64
	foreignSessions atomic.Uint64
	probes          atomic.Uint64 // connections of a self-test
	conns           connections
	crowd           crowd // of BMP sessions by device
	aliases         *aliases
	parked          parked // connections between two periods of serving
	spool           *spool // of datagrams that came since the last of these; nil: none
	offers          *offers
	successors      successors
	bmpStats        intake.ServeStats
	brokenTakeovers atomic.Uint64 // whose predecessor did not end in order
}

func newWorker(cfg Config, env Env) *worker {
	log := env.Log.With("slot", cfg.Slot)
	w := &worker{cfg: cfg, env: env, log: log, warn: newSampled(log), attributes: bgp.NewCache(bgp.CacheConfig{}), lost: make(chan error, 1)}
	w.env.Stdout = &reader{out: env.Stdout, lost: w.lost}
	return w
}

// start opens everything and claims the slot as its last step, so that a worker that cannot run leaves no trace.
func (w *worker) start(ctx context.Context) error {
	var err error
	if w.sockets, err = openSockets(&w.cfg, w.log); err != nil {
		return err
	}
	if !w.env.Takeover {
		if err := w.sockets.open(nil); err != nil {
			return err
		}
	}
	if w.sink, err = newSink(&w.cfg, w.env, w.log); err != nil {
		return err
	}
	w.events = newEvents(&w.cfg, w.sink)
	if w.state, err = openState(&w.cfg, w.log); err != nil {
		return err
	}
	w.owned = newOwnership(w.sockets.group, w.cfg.Slot)
	if w.core, err = newCore(&w.cfg, w.sink, w.owned, w.state, w.warn); err != nil {
		return err
	}
	w.streams = newStreams(&w.cfg.IPFIX, w.owned, w.warn, w.log, w.core.streams)
	w.glass = newGlass(w)
	if w.aliases, err = newAliases(w); err != nil {
		return err
	}
	w.streams.conns, w.streams.parked = &w.conns, &w.parked
	if w.sockets.group != nil {
		w.streams.first = w.answerConn
		w.follow = newFollower(w)
		w.core.probe, w.core.sighted = w.answerDatagram, w.follow.sighted
	}
	if err := w.aliases.start(w.core.corr); err != nil {
		return advise(err, "steering")
	}
	if w.env.Takeover {
		return w.startByTakeover(ctx)
	}
	if w.http, err = listenHTTP(&w.cfg, w, nil); err != nil {
		return err
	}
	w.core.load(time.Now())
	return w.sockets.claim()
}

// abandon closes what start has opened.
func (w *worker) abandon() {
	w.offers.close()
	if w.http != nil {
		w.http.close()
	}
	if w.sink != nil {
		w.sink.Close()
	}
	if w.sockets != nil {
		w.sockets.close()
	}
}

// run serves until ctx ends or another process takes over. The stop goes with the stream: no new sessions and datagrams, then the owner
// joins what was read, then the sink delivers.
func (w *worker) run(ctx context.Context) error {
	if w.offers == nil {
		w.offers = openOffers(w)
	}
	w.log.Info("worker runs", "ipfix", addrsText(w.sockets.udp), "bmp", addrsText(w.sockets.bmp),
		"steering", w.cfg.Steering, "slots", w.sockets.slots(), "http", w.http.addr(), "sink", w.cfg.Sink)
	joining, stopJoining := context.WithCancel(context.Background())
	defer stopJoining()

	var owner sync.WaitGroup
	owner.Go(func() { w.core.run(joining) })
	if w.state != nil {
		owner.Go(w.state.run)
		owner.Go(w.core.images.run)
	}
	if w.follow != nil {
		w.follow.fail = w.lost
	}
	owner.Go(func() { w.follow.run(joining) })
	owner.Go(func() { w.aliases.learn(joining) })
	telling, stopTelling := context.WithCancel(context.Background())
	defer stopTelling()
	if w.events != nil {
		owner.Go(func() { w.events.run(telling) })
	}
	w.http.serve()
	owner.Go(func() { w.vouch(joining) })
	w.offers.hear(joining, w)
	w.notify(notifyReady)
	owner.Go(func() { w.replaceWhenAsked(joining) })

	taker, err := w.serve(ctx, w.lost)
	w.successors.leave(ctx.Err() != nil, taker != nil)
	stopJoining()
	stopTelling()
	owner.Wait()
	if e := w.deliver(); err == nil {
		err = e
	}
	w.http.close()
	w.sink.Close()
	taker.end(w)
	w.offers.close()
	w.sockets.close()
	return err
}

// serve reads from the sockets until ctx ends, a reader fails, or another process has taken over, which it returns. A process that wants to
// and does not manage costs a pause.
func (w *worker) serve(ctx context.Context, lost <-chan error) (*taker, error) {
	for {
		reading, pause := context.WithCancelCause(ctx)
		readers, failed := w.read(reading)
		var taker *taker
		var err error
		select {
		case <-ctx.Done():
			w.notify(w.stopping())
			w.log.Info("worker stops, delivers what it took")
		case taker = <-w.offers.takers:
			pause(intake.ErrPause)
		case err = <-failed:
			pause(nil)
		case err = <-lost:
			pause(nil)
		}
		readers.Wait()
		pause(nil)
		for err == nil && len(failed) > 0 {
			err = <-failed
		}
		switch {
		case taker == nil:
			return nil, err
		case err == nil && taker.give(ctx, w):
			return taker, nil
		}
		taker.end(w)
		if err != nil {
			return nil, err
		}
	}
}

// read starts the readers of all sockets, and goes on with the connections that are parked. They end with ctx, or with an error in failed.
func (w *worker) read(ctx context.Context) (readers *sync.WaitGroup, failed chan error) {
	readers = new(sync.WaitGroup)
	failed = make(chan error, len(w.sockets.udp)+len(w.sockets.bmp)+len(w.sockets.flows))
	start := func(f func() error) {
		readers.Go(func() {
			if err := f(); err != nil {
				failed <- err
			}
		})
	}
	resume := w.parked.unpark(connBMP)
	joined := make(chan struct{}) // what is in the spool, which is older than what the sockets have
	if s := w.spool; s != nil {
		w.spool = nil
		sessions := w.parked.await(resume)
		readers.Go(func() {
			w.catchUp(ctx, s, sessions)
			close(joined)
		})
	} else {
		close(joined)
	}
	for _, u := range w.sockets.udp {
		start(func() error {
			<-joined
			return w.readDatagrams(ctx, u)
		})
	}
	for _, ln := range w.sockets.bmp {
		conns := resume
		resume = nil
		start(func() error { return w.serveBMP(ctx, ln, conns) })
	}
	resume = w.parked.unpark(connIPFIX)
	for _, ln := range w.sockets.flows {
		conns := resume
		resume = nil
		start(func() error { return w.streams.serve(ctx, ln, conns) })
	}
	w.parked.drop() // of a protocol that is off now
	return readers, failed
}

// deliver flushes the sink. What is left at the deadline is counted as lost when the sink is closed, and told here.
func (w *worker) deliver() error {
	ctx, cancel := context.WithTimeout(context.Background(), w.cfg.DrainAfter)
	defer cancel()
	before := sinkLost(w.sink)
	err := w.sink.Flush(ctx)
	if err != nil {
		w.sink.Close()
	}
	lost := sinkLost(w.sink) - before
	if n := w.core.last.corr.IPFIX.StoppedSets; n > 0 {
		w.log.Warn("data sets lost at the stop, their templates had not come", "sets", n)
	}
	switch {
	case err != nil && lost > 0:
		w.log.Error("records lost at the stop", "records", lost, "before", before, "err", err)
	case err != nil:
		w.log.Warn("delivery at the stop", "lost", before, "err", err)
	case before+lost > 0:
		w.log.Warn("worker stopped, what was left is delivered, but records were lost", "records", before+lost)
	default:
		w.log.Info("worker stopped, all records were delivered")
	}
	return nil
}

// readDatagrams moves batches from a socket to the owner until ctx ends. Then, unless that is a pause, it gives up the slot, so that the kernel sends
// nothing more, and hands over what the receive buffer still holds.
func (w *worker) readDatagrams(ctx context.Context, u *udpSocket) error {
	u.SetReadDeadline(time.Time{}) // of an earlier pause
	stop := intake.WhenDone(ctx, func() {
		if intake.Paused(ctx) {
			u.SetReadDeadline(time.Unix(1, 0))
			return
		}
		w.sockets.release()
		u.SetReadDeadline(time.Now().Add(drainIdle))
	})
	defer stop()
	for {
		b := <-w.core.free
		err := u.in.ReadBatch(b)
		if b.Len() > 0 {
			w.core.datagrams <- b
		} else {
			w.core.free <- b
		}
		switch {
		case intake.Paused(ctx): // the rest of the receive buffer is for whoever goes on
			return nil
		case err == nil:
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("udp socket was closed: %w", err)
		default:
			w.core.readErrors.Add(1)
			w.log.Warn("udp read, going on", "err", err)
			time.Sleep(readPause)
		}
	}
}

const (
	drainIdle = 20 * time.Millisecond  // the receive buffer is empty when nothing came for this long after the slot was given up
	readPause = 100 * time.Millisecond // after a read error that is not the end of the socket
)
