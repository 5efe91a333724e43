package endtoend

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/cmd/internal/notify"
)

// hangable is a worker that is replaced by SIGHUP, by the program that is on disk then. The test is its manager and the parent of all that come.
type hangable struct {
	*replaceable
	program string
	log     string
	manager *notify.Receiver
	pid     int
}

func startHangable(t *testing.T, args ...string) *hangable {
	t.Helper()
	heedHangups(t)
	dir := daemons.Dir(t)
	h := &hangable{replaceable: replaceableGroup(t, "[::]", args...), program: filepath.Join(dir, "telcol"), log: filepath.Join(dir, "log")}
	var err error
	if h.manager, err = notify.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.manager.Close() })
	h.install(t, daemons.Binary(t))
	open := func(name string) *os.File {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	cmd := exec.Command(h.program, h.args...)
	cmd.Stdout, cmd.Stderr = open(h.out), open(h.log) // no pipes, which would end with the first process
	cmd.Env = append(os.Environ(), notify.Env+"="+h.manager.Addr())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a terminal would make SIGHUP a stop
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h.pid = cmd.Process.Pid
	t.Cleanup(func() {
		_ = syscall.Kill(h.pid, syscall.SIGKILL)
		if t.Failed() {
			t.Log(h.logged())
		}
	})
	h.workers = []*daemons.Worker{{HTTP: h.args[7+1]}}
	h.expect(t, "READY=1")
	return h
}

func (h *hangable) logged() string {
	text, _ := os.ReadFile(h.log)
	return string(text)
}

// install puts a program in place as packages do, by a new file of the name.
func (h *hangable) install(t *testing.T, from string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	h.installText(t, text)
}

func (h *hangable) installText(t *testing.T, text []byte) {
	t.Helper()
	fresh := h.program + ".new"
	if err := os.WriteFile(fresh, text, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, h.program); err != nil {
		t.Fatal(err)
	}
}

// heedHangups has what the test starts heed SIGHUP, which it would ignore where these tests were started to do so, by nohup.
func heedHangups(t *testing.T) {
	t.Helper()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangup) })
}

func (h *hangable) hangUp() { _ = syscall.Kill(h.pid, syscall.SIGHUP) }

// expect waits until the manager is told something that begins with each of these, in their order, and returns the last one. It may be told
// anything else in between but that the service stops.
func (h *hangable) expect(t *testing.T, begins ...string) (rest string) {
	t.Helper()
	var told []string
	late := time.AfterFunc(daemons.Patience, func() { h.manager.Close() })
	defer late.Stop()
	for len(begins) > 0 {
		lines, err := h.manager.Receive()
		if err != nil {
			t.Fatalf("the manager is not told %q but %q: %v", begins, told, err)
		}
		for _, line := range lines {
			if line == "STOPPING=1" {
				t.Error("the manager is told that the service stops")
			}
			if line != "WATCHDOG=1" {
				told = append(told, line)
			}
			if len(begins) > 0 && strings.HasPrefix(line, begins[0]) {
				rest, begins = line[len(begins[0]):], begins[1:]
			}
		}
	}
	return rest
}

// replaced waits for the end of the worker that was asked, and goes on with the one that the manager was told of.
func (h *hangable) replaced(t *testing.T) {
	t.Helper()
	h.expect(t, "RELOADING=1")
	next, err := strconv.Atoi(h.expect(t, "MAINPID="))
	if err != nil {
		t.Fatal(err)
	}
	h.expect(t, "READY=1")
	h.ended(t)
	h.pid = next
}

// ended waits for the end of the worker, which is in order.
func (h *hangable) ended(t *testing.T) {
	t.Helper()
	daemons.Eventually(t, "the end of the worker", func() error {
		var status syscall.WaitStatus
		switch pid, err := syscall.Wait4(h.pid, &status, syscall.WNOHANG, nil); {
		case err != nil:
			t.Fatal(err)
		case pid == 0:
			return fmt.Errorf("process %d lives", h.pid)
		case status != 0:
			t.Errorf("process %d ended with %#x", h.pid, status)
		}
		return nil
	})
}

// TestHangups has a worker replace itself under load at SIGHUP, by the same program, a new one, one that ends, one that hangs.
func TestHangups(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 10 s")
	}
	if !inNamespace(t) {
		return
	}
	h := startHangable(t)
	const routers = 20
	f := startFleet(t, h.group, routers, 4000)
	f.StartFlows()
	h.settled(t)
	for range 3 {
		h.hangUp()
		h.replaced(t)
	}

	h.installText(t, []byte("#!/bin/sh\nexit 3\n"))
	h.hangUp()
	if h.expect(t, "RELOADING=1", "READY=1", "STATUS=not replaced at "); !strings.Contains(h.logged(), "worker is not replaced, it goes on") {
		t.Error("the worker has not said so")
	}
	h.installText(t, []byte("#!/bin/sh\nexec sleep 1000\n"))
	h.hangUp()
	h.expect(t, "RELOADING=1")
	h.hangUp()
	daemons.Eventually(t, "the worker to pass over the second signal", func() error {
		_, line, ok := strings.Cut(h.logged(), "asked once more to be replaced")
		if !ok {
			return fmt.Errorf("it does not say so")
		}
		_, text, _ := strings.Cut(line, " by=")
		sleeper, err := strconv.Atoi(strings.Fields(text)[0])
		if err == nil {
			err = syscall.Kill(sleeper, syscall.SIGKILL)
		}
		return err
	})
	h.expect(t, "READY=1", "STATUS=not replaced at ")
	if n := h.workers[0].Metric(t, "telcol_replacements_failed_total"); n != 2 {
		t.Errorf("counted %v replacements that failed, want 2", n)
	}

	h.install(t, daemons.Binary(t))
	h.hangUp()
	h.replaced(t)
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", h.pid)); err != nil || exe != h.program {
		t.Errorf("%s runs, want %s, %v", exe, h.program, err)
	}
	f.StopFlows(t.Context())
	if n := f.Sent().BMPSessions; n != routers {
		t.Errorf("%d BMP sessions of %d routers", n, routers)
	}
	h.stop(t, f)
}

// stop ends the last worker and looks at every record.
func (h *hangable) stop(t *testing.T, f *fleet) {
	t.Helper()
	h.allRead(t)
	_ = syscall.Kill(h.pid, syscall.SIGTERM)
	h.ended(t)
	f.check(t, f.Sent().Records, h.out)
}

// TestHangupToAnotherVersion has a worker replaced by a program that speaks another version of takeovers: routers connect again, nothing else is
// lost, and the manager hears of the new process before the old one ends.
func TestHangupToAnotherVersion(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 20 s")
	}
	if !inNamespace(t) {
		return
	}
	h := startHangable(t, "--state-dir", daemons.Dir(t))
	const routers = 20
	f := startFleet(t, h.group, routers, 2000)
	f.StartFlows()
	h.settled(t)
	h.install(t, buildOtherVersion(t))
	h.hangUp()
	h.replaced(t)
	daemons.Eventually(t, "the routers to come back", func() error {
		if n := h.workers[0].Metric(t, "telcol_bmp_sessions"); n != routers {
			return fmt.Errorf("%v of %d", n, routers)
		}
		return nil
	})
	f.StopFlows(t.Context())
	h.stop(t, f)
}

// buildOtherVersion builds telcol with another version of takeovers.
func buildOtherVersion(t *testing.T) string {
	t.Helper()
	dir := daemons.Dir(t)
	name, err := filepath.Abs("../../../collector/takeover/conn.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "const Version = ", "const Version = 100 + ", 1)
	if changed == string(text) {
		t.Fatalf("no version in %s", name)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{name: filepath.Join(dir, "conn.go")}})
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"conn.go": changed, "overlay.json": string(overlay)} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", filepath.Join(dir, "telcol"), "../../telcol")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "telcol")
}
