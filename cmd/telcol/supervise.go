package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/cmd/internal/notify"
	"github.com/telcol/telcol/cmd/internal/settings"
	"github.com/telcol/telcol/cmd/internal/supervise"
	"github.com/telcol/telcol/collector"
	"github.com/telcol/telcol/steering"
)

// How workers are started again.
const (
	firstRestart  = time.Second
	seldomRestart = 30 * time.Second
	healthyAfter  = time.Minute
	stopMargin    = 7 * time.Second // beyond the time that a worker takes to deliver
	startPatience = 5 * time.Minute // of a rolling restart, for a worker that reads its saved routes
)

func superviseCommand(e *env) *cobra.Command {
	var watchdog time.Duration
	cmd := &cobra.Command{
		Use:   "supervise --slots N",
		Short: "Run the workers of all slots on this host, and keep them running",
		Long: `Run a worker process for each slot of the group, with these settings. As root it creates the group where
there is none. A worker that ends is started again, after 1s, then 2s, 4s, up to 30s if it ends again and again; one whose
devices' goroutine is stuck, or that is stopped, is killed and started again. The lines of a worker's log
begin with its slot. A port in --http is the first worker's, the others have the next ones.

SIGTERM and SIGINT stop all workers, each of which delivers what it has taken; a second signal ends them
at once. SIGHUP replaces them one after the other, each when the one before is ready, by processes that take over:
nothing is lost and no BMP session ends. Without steering that takes --run-dir or --state-dir, else they are restarted.
` + settingsHelp,
		Example: `  telcol supervise --slots 4 --kafka-brokers kafka:9092`,
		Args:    noArgs,
	}
	flags := addSettings(cmd, settingsBut("slot")...)
	cmd.Flags().DurationVar(&watchdog, "watchdog", 30*time.Second, "kill a worker that is stuck or stopped for this long; 0 is never")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if watchdog < 0 || watchdog > 0 && watchdog < 2*time.Second {
			return usagef("--watchdog %v is too short: workers tell every second that they are well, want at least 2s", watchdog)
		}
		s, err := flags.load(e)
		if err != nil {
			return err
		}
		w, err := newWorkers(cmd.Context(), e, &s.Config, flags)
		if err != nil {
			return err
		}
		return w.run(cmd.Context(), e, watchdog)
	}
	return cmd
}

// settingsBut gives the keys of all settings but one.
func settingsBut(path string) (paths []string) {
	for _, k := range settings.Keys() {
		if k.Path != path {
			paths = append(paths, k.Path)
		}
	}
	return paths
}

// workers are what a supervisor runs.
type workers struct {
	cfg   *collector.Config
	self  string
	slots int
	given map[string]string // flags for each of them
	file  string
}

// newWorkers finds out how many workers there are to be and makes sure that they can be.
func newWorkers(ctx context.Context, e *env, cfg *collector.Config, flags *settingFlags) (*workers, error) {
	w := &workers{cfg: cfg, slots: cfg.Slots, given: flags.given, file: flags.file}
	// What is wrong with the settings is wrong for all slots alike.
	cfg.Slot = 0
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	var err error
	if w.self, err = ownProgram(); err != nil {
		return nil, err
	}
	if cfg.Steering {
		w.slots, err = superviseGroup(ctx, e, cfg)
	} else if w.slots > 1 {
		err = usagef("without steering one worker takes all: leave --slots %d away, or use --steering on", w.slots)
	}
	w.slots = max(w.slots, 1)
	return w, err
}

// superviseGroup makes sure that there is a group and gives its number of slots.
func superviseGroup(ctx context.Context, e *env, cfg *collector.Config) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, groupLock)
	defer cancel()
	g, err := steering.Open(e.steeringRoot, cfg.Group)
	if outdated := errors.Is(err, steering.ErrOutdated); outdated || errors.Is(err, steering.ErrNoGroup) {
		if cfg.Slots == 0 && !outdated {
			return 0, usagef("say how many workers: telcol supervise --slots N, with N from 1 to %d", steering.MaxSlots)
		}
		var o steering.Options
		if o, err = initOptions(e, cfg, ""); err != nil {
			return 0, err
		}
		o.Resize = false
		g, err = steering.Init(ctx, o)
	}
	if err != nil {
		return 0, adviseSteering(err, cfg.Group)
	}
	defer g.Close()
	if n := g.Slots(); cfg.Slots != 0 && cfg.Slots != n {
		return 0, usagef("steering group %q has %d slots, not %d: run telcol steering resize %[3]d first, or leave --slots away", cfg.Group, n, cfg.Slots)
	}
	return g.Slots(), nil
}

// command makes the command of a slot's worker.
func (w *workers) command(slot int) *exec.Cmd {
	args := []string{"worker", "--slot", strconv.Itoa(slot)}
	if w.file != "" {
		args = append(args, "--config", w.file)
	}
	for _, name := range slices.Sorted(maps.Keys(w.given)) {
		if name != "http" {
			args = append(args, "--"+name+"="+w.given[name])
		}
	}
	return exec.Command(w.self, append(args, "--http="+httpOf(w.cfg.HTTP, slot))...)
}

// successor makes the command of a worker that takes over from the one that runs, nil where there is no place for the two to meet.
func (w *workers) successor() func(slot int) *exec.Cmd {
	if !w.cfg.Steering && w.cfg.RunDir == "" && w.cfg.StateDir == "" {
		return nil
	}
	return func(slot int) *exec.Cmd {
		cmd := w.command(slot)
		cmd.Args = append(cmd.Args, "--takeover")
		return cmd
	}
}

// httpOf gives a slot's address for HTTP: ports are counted up from the first slot's. What is no number is the kernel's to choose.
func httpOf(addr string, slot int) string {
	host, port, err := net.SplitHostPort(addr)
	n, nerr := strconv.ParseUint(port, 10, 16)
	if err != nil || nerr != nil || n == 0 {
		return addr
	}
	return net.JoinHostPort(host, strconv.Itoa(int(n)+slot))
}

// run runs the workers until ctx ends.
func (w *workers) run(ctx context.Context, e *env, watchdog time.Duration) error {
	stderr := supervise.NewOutput(e.stderr)
	log, err := newLogger(w.cfg, stderr)
	if err != nil {
		return err
	}
	manager, err := notify.Open(e.environ)
	if err != nil {
		log.Warn("the manager of processes cannot be told how the workers are", "err", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	context.AfterFunc(ctx, func() { manager.Send("STOPPING=1") })
	restart, stop := hangups(ctx)
	defer stop()
	log.Info("supervisor runs", "slots", w.slots, "group", w.cfg.Group)
	err = supervise.Run(ctx, supervise.Config{
		Slots: w.slots, Command: w.command, Successor: w.successor(), Stdout: supervise.NewOutput(&reader{e.stdout, cancel}), Stderr: stderr, Log: log,
		First: firstRestart, Most: seldomRestart, Healthy: healthyAfter,
		Patience: w.cfg.DrainAfter + stopMargin, StartPatience: startPatience, Watchdog: watchdog,
		Restart: restart, Ready: func() {
			log.Info("all workers are ready")
			manager.Send("READY=1")
		},
		Restarting: func() { manager.Send("RELOADING=1\nSTATUS=") },
		Restarted: func(err error) {
			state := "READY=1"
			if err != nil {
				state += "\nSTATUS=not all workers were replaced: " + sentence(err)
			}
			manager.Send(state)
		},
	})
	if err == nil {
		log.Info("all workers have stopped")
	}
	if cause := context.Cause(ctx); errors.Is(cause, errNoReader) {
		return errors.Join(err, cause)
	}
	return err
}

// reader is a standard output. When nobody reads it any more, all ends, as it does with a single worker.
type reader struct {
	out io.Writer
	end context.CancelCauseFunc
}

var errNoReader = errors.New("standard output has lost its reader, all workers were stopped")

// Write writes to the output.
func (r *reader) Write(b []byte) (int, error) {
	n, err := r.out.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		r.end(errNoReader)
	}
	return n, err
}
