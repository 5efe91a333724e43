package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/telcol/telcol/cmd/internal/simrouter"
)

// demo is a running demo. Its parts start in the order of the fields and end in reverse.
type demo struct {
	o   Options
	e   Env
	out *screen

	ports   *ports
	broker  *broker
	group   *group
	fleet   simrouter.Fleet
	checker *simrouter.Checker
	workers []*worker
	reader  *reader

	begun   time.Time // when flows began; zero before
	paused  bool      // flows wait for the reading of the topic
	fleetUp chan error

	stopFleet, stopReader context.CancelFunc
	background            sync.WaitGroup
}

// Run runs the demo until ctx ends or its time is over. The error wraps ErrWrong when something was lost, misplaced or not joined as
// it should be.
func Run(ctx context.Context, o Options, e Env) error {
	if err := o.validate(); err != nil {
		return err
	}
	d := &demo{o: o, e: e, out: newScreen(e), fleetUp: make(chan error, 1)}
	err := d.start(ctx)
	if err == nil {
		err = d.show(ctx)
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = nil // stopped while it started
	}
	return errors.Join(err, d.end())
}

const (
	startPatience = 30 * time.Second // for the workers to be ready
	dumpPatience  = 2 * time.Minute  // for the routes to arrive
)

func (d *demo) start(ctx context.Context) (err error) {
	if d.ports, err = findPorts(d.o.Workers); err != nil {
		return fmt.Errorf("ports on loopback: %w", err)
	}
	if d.broker, err = startBroker(); err != nil {
		return err
	}
	var why error
	if d.group, why, err = startGroup(ctx, d.o.Workers, d.ports); err != nil {
		return err
	}
	if why != nil {
		d.out.linef("No steering here: %v.", why)
		d.out.linef("One worker takes all routers. As root, where the kernel allows BPF, the demo has %d workers on one port.", d.o.Workers)
		d.o.Workers = 1
	}
	if err := d.makeFleet(); err != nil {
		return err
	}
	if err := d.startWorkers(ctx); err != nil {
		return err
	}
	if err := d.startFleet(ctx); err != nil {
		return err
	}
	if d.reader, err = newReader(d.broker, d.checker); err != nil {
		return err
	}
	reading, cancel := context.WithCancel(context.Background())
	d.stopReader = cancel
	d.background.Go(func() { d.reader.run(reading) })
	d.fleet.StartFlows()
	d.begun = time.Now()
	return nil
}

// makeFleet makes the routers. They send nothing yet.
func (d *demo) makeFleet() (err error) {
	d.fleet, err = simrouter.NewFleet(simrouter.FleetConfig{
		Routers: d.o.Routers, Rate: d.o.Rate, Seed: uint64(time.Now().UnixNano()),
		Each: simrouter.Config{
			Device: simrouter.DeviceConfig{Routes: d.o.Routes}, IPFIX: d.ports.ipfix, BMP: d.ports.bmp, Churn: 1, Hold: true,
		},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOptions, err)
	}
	d.checker = simrouter.NewChecker(d.fleet.Devices(), d.group.owner())
	return nil
}

func (d *demo) startWorkers(ctx context.Context) error {
	args := append(d.group.args(), "--listen-ipfix", d.ports.ipfix.String(), "--listen-bmp", d.ports.bmp.String(),
		"--kafka-brokers", d.broker.addr)
	for slot := range d.o.Workers {
		w, err := startWorker(&d.e, slot, args, d.ports.http[slot].String())
		if err != nil {
			return err
		}
		d.workers = append(d.workers, w)
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for _, w := range d.workers {
		if err := w.waitReady(ctx); err != nil {
			return err
		}
	}
	d.out.linef("Ready for IPFIX at %s (UDP) and BMP at %s (TCP): %s.", d.ports.ipfix, d.ports.bmp, count(len(d.workers), "worker"))
	return nil
}

// startFleet lets the routers tell their routes and waits until the workers have them.
func (d *demo) startFleet(ctx context.Context) error {
	playing, cancel := context.WithCancel(context.Background())
	d.stopFleet = cancel
	d.background.Go(func() { d.fleetUp <- d.fleet.Run(playing) })
	d.out.linef("%s to tell %s routes.", count(len(d.fleet), "simulated router"), number(d.fleet.Routes()))
	ctx, cancel = context.WithTimeout(ctx, dumpPatience)
	defer cancel()
	for {
		if err := lookAll(ctx, d.workers); err != nil && ctx.Err() == nil {
			return errors.Join(err, d.fault())
		}
		if d.fleet.Connected() == len(d.fleet) && total(d.workers, "telcol_rib_routes") >= float64(d.fleet.Routes()) {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case err := <-d.fleetUp:
			return err
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("the workers have %.0f of %d routes after %v", total(d.workers, "telcol_rib_routes"), d.fleet.Routes(), dumpPatience)
		}
		if err := d.fault(); err != nil {
			return err
		}
	}
}

// fault reports a worker that ended by itself.
func (d *demo) fault() error {
	for _, w := range d.workers {
		select {
		case <-w.ended:
			return w.fault()
		default:
		}
	}
	return nil
}

// show draws what happens each second until ctx ends, the time is over or a part ends by itself.
func (d *demo) show(ctx context.Context) error {
	if d.o.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.o.For)
		defer cancel()
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case err := <-d.fleetUp:
			return err
		case <-ctx.Done():
			return nil
		}
		if err := d.fault(); err != nil {
			return err
		}
		if err := lookAll(ctx, d.workers); err != nil && ctx.Err() == nil {
			d.out.linef("%v", err)
			continue
		}
		d.hold(d.reader.lag())
		d.draw()
	}
}

// Flows pause when this many records are in the topic unread, and go on when so few are left.
const (
	lagPause  = 50_000
	lagResume = 10_000
)

// hold keeps the topic, which lies in this process's memory, from growing when it is read more slowly than written.
func (d *demo) hold(lag int64) {
	switch {
	case lag > lagPause:
		d.paused = true
	case lag < lagResume:
		d.paused = false
	}
	d.fleet.Pause(d.paused)
}
