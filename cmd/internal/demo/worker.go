package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// worker is a worker process.
type worker struct {
	slot  int
	http  string
	log   tail
	pid   int
	ended chan struct{} // closed when the process is gone
	err   error         // of its end, valid once ended

	// What the last look at its metrics showed.
	metrics metrics
	looked  time.Time
	rate    float64 // flow records a second
}

// startWorker starts a worker process. If this process dies the kernel sends it SIGTERM.
func startWorker(e *Env, slot int, args []string, http string) (*worker, error) {
	w := &worker{slot: slot, http: http, ended: make(chan struct{})}
	cmd := e.Worker(append([]string{"worker", "--slot", strconv.Itoa(slot), "--http", http, "--log-level", "warn"}, args...)...)
	cmd.Stdout, cmd.Stderr = &w.log, &w.log
	cmd.Env = withoutSettings(cmd.Environ())
	// A group of its own: Ctrl-C is for the demo, which ends the workers in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error)
	go w.run(cmd, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("worker of slot %d: %w", slot, err)
	}
	return w, nil
}

// run starts the process and waits for its end on one thread: the kernel sends the signal of Pdeathsig when the thread that started
// the process ends.
func (w *worker) run(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	if err == nil {
		w.pid = cmd.Process.Pid
	}
	started <- err
	if err != nil {
		return
	}
	w.err = cmd.Wait()
	close(w.ended)
}

// withoutSettings leaves out the variables that would change a worker's settings.
func withoutSettings(environ []string) []string {
	var kept []string
	for _, v := range environ {
		if !strings.HasPrefix(v, "TELCOL_") {
			kept = append(kept, v)
		}
	}
	return kept
}

// waitReady waits until the worker receives.
func (w *worker) waitReady(ctx context.Context) error {
	for {
		body, err := get(ctx, "http://"+w.http+"/readyz")
		if err == nil {
			body.Close()
			return nil
		}
		select {
		case <-w.ended:
			return w.fault()
		case <-ctx.Done():
			return fmt.Errorf("worker of slot %d is not ready: %w%s", w.slot, err, w.log.text())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// fault says how the process ended.
func (w *worker) fault() error {
	how := "exit 0"
	if w.err != nil {
		how = w.err.Error()
	}
	return fmt.Errorf("worker of slot %d (pid %d) ended: %s%s", w.slot, w.pid, how, w.log.text())
}

// stop asks the process to end, and kills it when it does not. The error is nil when it ended in order.
func (w *worker) stop(patience time.Duration) error {
	_ = syscall.Kill(w.pid, syscall.SIGTERM)
	select {
	case <-w.ended:
	case <-time.After(patience):
		_ = syscall.Kill(w.pid, syscall.SIGKILL)
		<-w.ended
		return fmt.Errorf("worker of slot %d did not end within %v and was killed", w.slot, patience)
	}
	if w.err != nil {
		return w.fault()
	}
	return nil
}

// look reads the worker's metrics.
func (w *worker) look(ctx context.Context) error {
	m, err := scrape(ctx, w.http)
	if err != nil {
		return fmt.Errorf("worker of slot %d: %w", w.slot, err)
	}
	now := time.Now()
	flows := func(m metrics) float64 { return m.sum("telcol_ipfix_records_total", "kind=data") }
	if !w.looked.IsZero() {
		w.rate = (flows(m) - flows(w.metrics)) / now.Sub(w.looked).Seconds()
	}
	w.metrics, w.looked = m, now
	return nil
}

// lookAll reads the metrics of all workers at a time.
func lookAll(ctx context.Context, workers []*worker) error {
	errs := make([]error, len(workers))
	var wg sync.WaitGroup
	for i, w := range workers {
		wg.Go(func() { errs[i] = w.look(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// total adds a metric over all workers.
func total(workers []*worker, name string, labels ...string) (sum float64) {
	for _, w := range workers {
		sum += w.metrics.sum(name, labels...)
	}
	return sum
}

// tail keeps the end of a log.
type tail struct {
	mu  sync.Mutex
	end []byte
}

const tailBytes = 4 << 10

// Write keeps the last of what is written.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, b...)
	if n := len(t.end) - tailBytes; n > 0 {
		t.end = append(t.end[:0], t.end[n:]...)
	}
	return len(b), nil
}

// text gives the last whole lines, indented for the end of an error; "" when there are none.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.end), []byte("\n"))
	lines = lines[max(0, len(lines)-5):]
	if len(t.end) == 0 {
		return ""
	}
	return ", its log ends:\n  " + string(bytes.Join(lines, []byte("\n  ")))
}
