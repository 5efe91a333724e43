package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	deliverPatience = 20 * time.Second // for what was sent to come out of the topic
	quietPatience   = 3 * time.Second  // nothing came for so long: nothing will
	workerPatience  = 12 * time.Second // a worker's own limit is 10 s
)

// end ends everything that start has started, and says what came of it.
func (d *demo) end() error {
	var errs []error
	d.out.release()
	if !d.begun.IsZero() {
		ran := time.Since(d.begun)
		d.fleet.StopFlows(context.Background())
		d.awaitRecords()
		_ = lookAll(context.Background(), d.workers) // a worker that is gone has no counters any more
		defer func() { d.out.line("") }()
		errs = append(errs, d.stopAll())
		errs = append(errs, d.summary(ran))
		return errors.Join(errs...)
	}
	return d.stopAll()
}

// awaitRecords waits until every record that was sent was read back, or until nothing comes any more.
func (d *demo) awaitRecords() {
	deadline := time.Now().Add(deliverPatience)
	last, since := d.checker.Tally().Records, time.Now()
	for now := since; now.Before(deadline) && now.Sub(since) < quietPatience; now = time.Now() {
		n := d.checker.Tally().Records
		if n >= d.fleet.Sent().Records {
			return
		}
		if n != last {
			last, since = n, now
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stopAll stops routers, workers, reader, group and broker, as far as they run.
func (d *demo) stopAll() error {
	var errs []error
	if d.stopFleet != nil {
		d.stopFleet()
	}
	errs = append(errs, d.stopWorkers())
	if d.stopReader != nil {
		for end := time.Now().Add(quietPatience); d.reader.lag() > 0 && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond) // what the workers delivered at their end
		}
		d.stopReader()
	}
	d.background.Wait()
	if d.reader != nil {
		d.reader.close()
	}
	errs = append(errs, d.group.destroy())
	if d.broker != nil {
		d.broker.close()
	}
	return errors.Join(errs...)
}

// stopWorkers stops all workers at a time. One that ended before was reported then.
func (d *demo) stopWorkers() error {
	errs := make([]error, len(d.workers))
	var wg sync.WaitGroup
	for i, w := range d.workers {
		select {
		case <-w.ended:
			continue
		default:
		}
		wg.Go(func() { errs[i] = w.stop(workerPatience) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// summary compares what was sent with what came, and gives an error that wraps ErrWrong unless all is right.
func (d *demo) summary(ran time.Duration) error {
	sent, tally := d.fleet.Sent(), d.checker.Tally()
	lost := int64(sent.Records) - int64(tally.Records)
	counted := total(d.workers, "telcol_lost_total")
	d.out.line("")
	d.out.linef("%v with %s and %s:", ran.Round(time.Second), count(len(d.workers), "worker"), count(len(d.fleet), "router"))
	d.out.linef("  sent        %12s flow records in %s datagrams", number(sent.Records), number(sent.Datagrams))
	d.out.linef("  read back   %12s from %s, of which %s are right: every field of the flow, and both routes", number(tally.Records), topic, number(tally.Right))
	d.out.linef("  lost        %12s (the workers count %s)", number(lost), number(int64(counted)))
	d.out.linef("  misplaced   %12s", number(tally.Misplaced))
	d.out.linef("  unjoined    %12s", number(tally.Unjoined))
	d.out.linef("  wrong       %12s", number(tally.Wrong))
	d.out.linef("  duplicates  %12s", number(tally.Duplicates))
	if bad := tally.Bad(); lost == 0 && bad == 0 && counted == 0 && tally.Records > 0 {
		d.out.line("All right.")
		return nil
	}
	if tally.FirstWrong != "" {
		d.out.linef("The first fault: %s", tally.FirstWrong)
	}
	for _, w := range d.workers {
		for _, s := range w.metrics {
			if s.name == "telcol_lost_total" && s.value > 0 {
				d.out.linef("slot %d lost %.0f, stage %s, reason %s", w.slot, s.value, s.labels["stage"], s.labels["reason"])
			}
		}
	}
	return fmt.Errorf("%w: %d lost, %d misplaced, %d unjoined, %d wrong, %d duplicates, %d others", ErrWrong,
		lost, tally.Misplaced, tally.Unjoined, tally.Wrong, tally.Duplicates, tally.Foreign+tally.Unreadable)
}
