// Command telcol collects network telemetry: flow records (IPFIX, NetFlow v9) and BGP state (BMP) of routers, joined per device.
//
// The package holds the command line: it reads flags, environment and settings file, runs the part that was asked for and turns
// errors into one sentence and an exit code: 2 for wrong use, 1 for what failed while running.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/telcol/telcol/collector"
	"github.com/telcol/telcol/steering"
)

// version is set by the linker (see the Makefile); without it the build information of Go is shown.
var version string

func main() {
	stops := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) && !takesHangup(os.Args[1:], hasTerminal()) { // nohup
		stops = append(stops, syscall.SIGHUP)
	}
	if outlivesReaders(os.Args[1:]) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	}
	ctx, stop := signal.NotifyContext(context.Background(), stops...)
	// A second signal ends the process at once, unless it is the first one told twice: timeout(1) signals its child and then the group.
	context.AfterFunc(ctx, func() { time.AfterFunc(signalTwice, func() { endAtOnce(stop, stops) }) })
	os.Exit(run(ctx, system(), os.Args[1:]))
}

// endAtOnce waits for a signal, says what it costs, and lets it end the process. stop ends the handling of the first one.
func endAtOnce(stop func(), stops []os.Signal) {
	again := make(chan os.Signal, 1)
	signal.Notify(again, stops...)
	stop()
	sig := (<-again).(syscall.Signal)
	if outlivesReaders(os.Args[1:]) {
		fmt.Fprintln(os.Stderr, "telcol: a second signal ends it at once: what was taken and is not delivered is lost, what is known is not saved")
	}
	signal.Reset(sig)
	syscall.Kill(os.Getpid(), sig)
}

const signalTwice = 500 * time.Millisecond

// outlivesReaders reports whether the command line is of a command that SIGPIPE must not end: a worker whose log, or whose records, lose
// their reader has more to do than to vanish. The others are made for pipes.
func outlivesReaders(args []string) bool {
	return len(args) > 0 && (args[0] == "worker" || args[0] == "supervise")
}

// env is what the command takes from its surroundings; a test replaces it.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	args           []string // of the command line
	steeringRoot   string   // "" is steering's own default
	worker         func(context.Context, collector.Config, collector.Env) error
}

func system() env {
	return env{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(), worker: collector.Run}
}

// Exit codes.
const (
	exitOK    = 0
	exitRun   = 1
	exitUsage = 2
	// What was asked for is in effect, but not in the key file of the group.
	exitNotSaved = 3
)

// run runs the command line and gives the exit code.
func run(ctx context.Context, e env, args []string) int {
	e.args = args
	cmd := newCommand(&e)
	cmd.SetArgs(args)
	cmd.SetOut(e.stdout)
	cmd.SetErr(e.stderr)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(e.stderr, "telcol: "+sentence(err))
	if errors.Is(err, steering.ErrNotSaved) {
		return exitNotSaved
	}
	if errors.Is(err, collector.ErrConfig) || errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitRun
}

// sentence gives the text of an error in one line.
func sentence(err error) string {
	text := strings.TrimPrefix(err.Error(), collector.ErrConfig.Error()+": ")
	return strings.ReplaceAll(text, "\n", "; ")
}

// errUsage is matched by errors of the command line.
var errUsage = errors.New("wrong use")

// usageError is such an error; its text is the sentence to show.
type usageError string

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

func (e usageError) Error() string { return string(e) }

func (e usageError) Is(target error) bool { return target == errUsage }

// adviseSaving says what to do about a change that is in effect until the next boot only.
func adviseSaving(err error, group string) error {
	var e *steering.NotSavedError
	errors.As(err, &e)
	do := fmt.Sprintf("telcol steering save --group %s tries again", group)
	switch {
	case errors.Is(err, steering.ErrOtherPlan):
		do = fmt.Sprintf("telcol steering save --group %s replaces it, telcol steering restore --group %[1]s %s takes what it holds", group, e.File)
	case errors.Is(err, steering.ErrOtherKey):
		do = fmt.Sprintf("it is another group's: name another file, telcol steering save --group %s FILE", group)
	case errors.Is(err, steering.ErrKeyFile):
		do = fmt.Sprintf("move the file away, then telcol steering save --group %s writes it anew", group)
	}
	return fmt.Errorf("%w: %s", err, do)
}

// adviseSteering says what to do about an error of the steering group.
func adviseSteering(err error, group string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, steering.ErrNotSaved):
		return adviseSaving(err, group)
	case errors.Is(err, steering.ErrKeyFile):
		return usagef("%v: put a good copy in its place, or move it away: then a group that exists is saved anew, "+
			"and a new one gets another key, which moves all devices", err)
	case errors.Is(err, steering.ErrOtherPlan):
		return fmt.Errorf("%w, and telcol has not put it there: telcol steering restore --group %s FILE takes what it holds, "+
			"telcol steering save --group %[2]s FILE replaces it", err, group)
	case errors.Is(err, steering.ErrNoKeyFile):
		return usagef("steering group %q has no key file yet: name one", group)
	case errors.Is(err, steering.ErrNoGroup):
		return fmt.Errorf("%w: create it with telcol steering init --group %s --slots N", err, group)
	case errors.Is(err, steering.ErrOutdated):
		return fmt.Errorf("%w: have root run telcol steering init --group %s, which adds what is missing and changes nothing else", err, group)
	case errors.Is(err, steering.ErrSlotCount):
		return usagef("a group that does not exist yet needs its number of workers: telcol steering init --slots N, with N from 1 to %d", steering.MaxSlots)
	case errors.Is(err, steering.ErrName):
		return usagef("%v, choose another --group", err)
	case errors.Is(err, steering.ErrOtherKey):
		return fmt.Errorf("%w than the key file: name another file, or run telcol steering destroy --group %s first, which moves all devices", err, group)
	case errors.Is(err, steering.ErrGroupBusy):
		return fmt.Errorf("%w: stop them first, or use --force", err)
	case errors.Is(err, steering.ErrLocked):
		return fmt.Errorf("%w: end that process if it is stuck, then try again", err)
	case errors.Is(err, steering.ErrNotStuck):
		return fmt.Errorf("%w: stop it, or use telcol steering evict --force", err)
	case errors.Is(err, steering.ErrNotMounted):
		return fmt.Errorf("%w: run as root, or have root run mount -t bpf bpf /sys/fs/bpf", err)
	case errors.Is(err, steering.ErrNotPermitted):
		return fmt.Errorf("%w: run as root", err)
	}
	return err
}
