package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// replaced is a worker that is asked to be replaced by processes that cannot take over.
type replaced struct {
	*worker
	manager *heard
	log     *safeBuffer
	ask     chan struct{}
	next    *exec.Cmd // with which the worker is replaced; nil is none
	stop    func()
}

func startReplaced(t *testing.T, runDir string) *replaced {
	t.Helper()
	cfg := Default()
	cfg.Slot, cfg.Steering, cfg.Sink, cfg.HTTP, cfg.RunDir = 0, false, SinkStdout, "off", runDir
	cfg.ListenIPFIX, cfg.ListenBMP = freeAddr(t), freeAddr(t)
	r := &replaced{manager: new(heard), log: new(safeBuffer), ask: make(chan struct{})}
	r.worker = newWorker(cfg, Env{
		Stdout: new(safeBuffer), Log: slog.New(slog.NewTextHandler(r.log, nil)), Notify: r.manager.tell, Replace: r.ask,
		Successor: func() (*exec.Cmd, error) {
			if r.next == nil {
				return nil, errors.New("not here")
			}
			return r.next, nil
		},
	})
	if err := r.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	return r
}

// sibling has a command be a process of our parent.
func sibling(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_PARENT}
	return cmd
}

// TestNotReplaced has a worker go on after processes that did not take over.
func TestNotReplaced(t *testing.T) {
	unheard := exec.Command("sh", "-c", "exit 3")
	for _, c := range []struct {
		name, runDir string
		next         *exec.Cmd
		want         string
	}{
		{"none", t.TempDir(), nil, "not here"},
		{"no program", t.TempDir(), exec.Command("/nowhere/telcol"), "no such file"},
		{"ends", t.TempDir(), exec.Command("sh", "-c", "exit 3"), "ended: exit status 3"},
		{"ends well", t.TempDir(), exec.Command("true"), "it has not taken over"},
		{"ends as no child", t.TempDir(), sibling(exec.Command("sh", "-c", "exit 3")), "it has not taken over"},
		{"no program and no child", t.TempDir(), sibling(exec.Command("/nowhere/telcol")), "no such file"},
		{"socket removed", t.TempDir(), unheard, "is not there any more"},
		{"nowhere to meet", "", exec.Command("sh", "-c", "exit 3"), "--run-dir"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := startReplaced(t, c.runDir)
			if c.next == unheard {
				waitFor(t, "a socket to remove", func() bool { return os.Remove(r.cfg.takeoverSocket()) == nil })
			}
			r.next = c.next
			r.ask <- struct{}{}
			waitFor(t, "the worker to go on", func() bool { return r.successors.failed.Load() == 1 })
			r.next = nil
			r.ask <- struct{}{} // one that goes on listens
			waitFor(t, "the worker to go on again", func() bool { return r.successors.failed.Load() == 2 })
			r.stop()
			var status string
			for _, s := range r.manager.all() {
				if ready, text, ok := strings.Cut(s, "\nSTATUS="); ok && ready == notifyReady && status == "" {
					status = text
				}
			}
			if !strings.Contains(status, c.want) || !strings.Contains(r.log.String(), "worker is not replaced, it goes on") {
				t.Errorf("want %s, told %q and\n%s", c.want, r.manager.all(), r.log)
			}
		})
	}
}

// TestStopWithSuccessor stops a worker while a process is to take over: that is stopped too, unless it has asked for the stop because it is of
// another version, which the manager then is told to look after.
func TestStopWithSuccessor(t *testing.T) {
	for _, otherVersion := range []bool{false, true} {
		t.Run(fmt.Sprintf("other version %v", otherVersion), func(t *testing.T) {
			r := startReplaced(t, t.TempDir())
			r.next = exec.Command("sleep", "1000")
			r.ask <- struct{}{}
			waitFor(t, "a successor", func() bool { return r.successors.pid.Load() != 0 })
			pid := int(r.successors.pid.Load())
			r.ask <- struct{}{} // is passed over
			waitFor(t, "a word of it", func() bool { return strings.Contains(r.log.String(), "asked once more to be replaced") })
			if otherVersion {
				r.successors.otherVersion.Store(int64(pid))
			}
			r.stop()
			if otherVersion {
				var status syscall.WaitStatus
				if n, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil); n != 0 || err != nil {
					t.Errorf("the process that goes on has ended: %v, %v", status, err)
				}
				_ = syscall.Kill(pid, syscall.SIGTERM)
			}
			if err := r.next.Wait(); err == nil || err.Error() != "signal: terminated" {
				t.Errorf("the process ended with %v", err)
			}
			told := r.manager.all()
			if !slices.Contains(told, notifyReloading) || slices.Contains(told, notifyMain(pid)) != otherVersion || slices.Contains(told, notifyStopping) == otherVersion {
				t.Errorf("told %q", told)
			}
			if n := r.successors.failed.Load(); n != 0 {
				t.Errorf("%d times not replaced", n)
			}
		})
	}
}
