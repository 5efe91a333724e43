package endtoend

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

const systemdRouters = 20

// TestSystemdWorkers has Debian's systemd run the units of one worker each. It reloads them under load, and kills and stops them.
func TestSystemdWorkers(t *testing.T) {
	daemons.Require(t, "/lib/systemd/systemd", "nsenter", "ip")
	if !inNamespace(t) {
		return
	}
	s := bootSystemd(t)
	units := []string{"telcol@0", "telcol@1"}
	s.systemctl(t, "start", units[0], units[1])
	f := s.startFleet(t)
	s.systemctl(t, "reload", "telcol-steering")
	for range 3 {
		for _, unit := range units {
			s.reloadWorker(t, unit)
		}
	}
	s.write(t, "usr/bin/telcol.new", "#!/bin/sh\nexit 3\n") // an upgrade that cannot take over
	s.move(t)
	for range 2 {
		s.failReload(t, units[0])
	}
	s.install(t)                       // an upgrade
	s.systemctl(t, "reload", units[0]) // its status changes
	for _, unit := range units {
		s.reloadWorker(t, unit)
		if exe, err := os.Readlink(s.path("proc", s.show(t, unit, "MainPID"), "exe")); err != nil || strings.Contains(exe, "deleted") {
			t.Errorf("%s runs %s after the upgrade: %v", unit, exe, err)
		}
	}
	s.finish(t, f, units...)

	s.systemctl(t, "start", units[0], units[1])
	for _, unit := range units {
		s.reloadWorker(t, unit) // the main process is not one that systemd has started
	}
	s.crash(t, units[0], "SIGKILL")
	s.crash(t, units[1], "SIGSTOP")
}

// TestSystemdSupervisor has it run the unit of all workers.
func TestSystemdSupervisor(t *testing.T) {
	daemons.Require(t, "/lib/systemd/systemd", "nsenter", "ip")
	if !inNamespace(t) {
		return
	}
	s := bootSystemd(t)
	s.systemctl(t, "start", "telcol")
	f := s.startFleet(t)
	main := s.show(t, "telcol", "MainPID")
	for range 3 {
		before := s.processes(t, "telcol")
		s.reload(t, "telcol")
		if got := s.show(t, "telcol", "MainPID"); got != main {
			t.Errorf("supervisor is process %s, was %s", got, main)
		}
		for pid := range s.processes(t, "telcol") {
			if pid != main && before[pid] {
				t.Errorf("process %s of %v was not replaced", pid, before)
			}
		}
	}
	s.finish(t, f, "telcol")
}

// systemd runs as process 1 of its own PID namespace, in the network namespace of the test.
type systemd struct {
	*group
	*daemons.Process
}

// bootSystemd starts systemd and installs telcol with its units, for a group of two.
func bootSystemd(t *testing.T) *systemd {
	t.Helper()
	script, err := filepath.Abs("testdata/systemd.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", script, t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWCGROUP | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	s := &systemd{group: &group{name: "default", ipfix: "127.0.0.1:4739", bmp: "127.0.0.1:1790"}}
	inControlGroup(t, func() { s.Process = daemons.StartCommand(t, cmd) })
	for slot := range 2 {
		s.workers = append(s.workers, &daemons.Worker{HTTP: fmt.Sprintf("127.0.0.1:%d", 8080+slot)})
	}
	daemons.Eventually(t, "systemd", func() error {
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		return s.command(t, "systemctl", "is-active", "default.target").Run()
	})
	t.Cleanup(func() {
		logs, _ := filepath.Glob(s.path("var/log/telcol*.log"))
		for _, name := range logs {
			if text, err := os.ReadFile(name); err == nil && t.Failed() {
				t.Logf("%s:\n%s", filepath.Base(name), text)
			}
		}
	})
	s.install(t)
	s.write(t, "etc/telcol/telcol.yaml", "slots: 2\nsink: stdout\nbmp:\n  quiet-period: 1s\n")
	// There is no journal here, and nobody waits half a minute for the watchdog.
	s.write(t, "run/units/service.d/log.conf", "[Service]\nStandardOutput=append:/var/log/%N.json\nStandardError=append:/var/log/%N.log\n")
	s.write(t, "run/units/telcol@.service.d/watchdog.conf", "[Service]\nWatchdogSec=6\n")
	s.appendTo(t, "etc/passwd", "telcol:x:64901:64901::/nonexistent:/usr/sbin/nologin\n")
	s.appendTo(t, "etc/group", "telcol:x:64901:\n")
	units, err := filepath.Glob("../../../deploy/systemd/*.service")
	if err != nil || len(units) != 3 {
		t.Fatalf("units %q, %v", units, err)
	}
	for _, name := range units {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		s.write(t, "run/units/"+filepath.Base(name), string(text))
	}
	s.systemctl(t, "daemon-reload")
	return s
}

// inControlGroup starts something in a new control group, which is removed at the end of the test.
func inControlGroup(t *testing.T, start func()) {
	t.Helper()
	top := t.TempDir()
	if err := syscall.Mount("cgroup2", top, "cgroup2", 0, ""); err != nil {
		t.Fatalf("cgroup2: %v", err)
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	_, own, ok := strings.Cut("\n"+string(text), "\n0::")
	if !ok {
		t.Fatalf("no control group of version 2: %s", text)
	}
	own = filepath.Join(top, strings.TrimSpace(own))
	fresh, err := os.MkdirTemp(own, "telcol-systemd-")
	if err != nil {
		t.Fatal(err)
	}
	enter := func(dir string) {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		daemons.Eventually(t, "empty control groups", func() error {
			return exec.Command("find", fresh, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+").Run()
		})
		_ = syscall.Unmount(top, syscall.MNT_DETACH)
	})
	enter(fresh) // the namespace begins where its first process is
	start()
	enter(own)
}

// path names a file that systemd sees.
func (s *systemd) path(elem ...string) string {
	return filepath.Join(append([]string{"/proc", strconv.Itoa(s.Cmd.Process.Pid), "root"}, elem...)...)
}

func (s *systemd) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (s *systemd) appendTo(t *testing.T, name, text string) {
	t.Helper()
	was, err := os.ReadFile(s.path(name))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, name, string(was)+text)
}

// install puts telcol in its place, as packages do: by a new file of the name.
func (s *systemd) install(t *testing.T) {
	t.Helper()
	program, err := os.ReadFile(daemons.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "usr/bin/telcol.new", string(program))
	s.move(t)
}

// move puts the new program in its place.
func (s *systemd) move(t *testing.T) {
	t.Helper()
	if err := errors.Join(os.Chmod(s.path("usr/bin/telcol.new"), 0o755), os.Rename(s.path("usr/bin/telcol.new"), s.path("usr/bin/telcol"))); err != nil {
		t.Fatal(err)
	}
}

func (s *systemd) command(t *testing.T, args ...string) *exec.Cmd {
	return exec.CommandContext(t.Context(), "nsenter", append([]string{"-t", strconv.Itoa(s.Cmd.Process.Pid), "-m", "-p", "-C", "--"}, args...)...)
}

func (s *systemd) systemctl(t *testing.T, args ...string) {
	t.Helper()
	if out, err := s.command(t, append([]string{"systemctl"}, args...)...).CombinedOutput(); err != nil {
		status, _ := s.command(t, "systemctl", "--no-pager", "status", "telcol*").CombinedOutput()
		t.Fatalf("systemctl %s: %v\n%s%s", strings.Join(args, " "), err, out, status)
	}
}

// show gives a property of a unit.
func (s *systemd) show(t *testing.T, unit, property string) string {
	t.Helper()
	out, err := s.command(t, "systemctl", "show", "-P", property, unit).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// processes gives those of a unit.
func (s *systemd) processes(t *testing.T, unit string) map[string]bool {
	t.Helper()
	out, err := s.command(t, "cat", "/sys/fs/cgroup/system.slice/"+unit+".service/cgroup.procs").Output()
	if err != nil {
		t.Fatal(err)
	}
	pids := make(map[string]bool)
	for _, pid := range strings.Fields(string(out)) {
		pids[pid] = true
	}
	return pids
}

// startFleet starts routers and their flows, and waits until none waits for routes.
func (s *systemd) startFleet(t *testing.T) *fleet {
	t.Helper()
	f := startFleet(t, s.group, systemdRouters, 4000)
	f.StartFlows()
	s.settled(t)
	return f
}

// reload reloads a unit, which is active all the time.
func (s *systemd) reload(t *testing.T, unit string) {
	t.Helper()
	state := func() (text string) {
		for _, p := range []string{"ActiveState", "SubState", "InvocationID", "ActiveEnterTimestampMonotonic", "NRestarts", "StatusText"} {
			text += p + "=" + s.show(t, unit, p) + " "
		}
		return text
	}
	before := state()
	s.systemctl(t, "reload", unit)
	if after := state(); after != before {
		t.Errorf("%s was %sand is %safter the reload", unit, before, after)
	}
}

// reloadWorker reloads the unit of one worker, which is another process then.
func (s *systemd) reloadWorker(t *testing.T, unit string) {
	t.Helper()
	before := s.show(t, unit, "MainPID")
	s.reload(t, unit)
	if after := s.show(t, unit, "MainPID"); after == before || after == "0" {
		t.Errorf("%s is process %s, was %s", unit, after, before)
	}
}

// failReload reloads the unit of a worker whose successor does not take over. The reload fails because the worker says so, not because nothing
// happens for long, and the worker goes on.
func (s *systemd) failReload(t *testing.T, unit string) {
	t.Helper()
	before := s.show(t, unit, "MainPID")
	if out, err := s.command(t, "systemctl", "reload", unit).CombinedOutput(); err == nil {
		t.Errorf("a reload without a successor has worked:\n%s", out)
	}
	reload, status := s.show(t, unit, "ExecReload"), s.show(t, unit, "StatusText")
	if !strings.Contains(reload, "code=exited ; status=1 }") || !strings.HasPrefix(status, "not replaced at ") || !strings.HasSuffix(status, "it has not taken over") {
		t.Errorf("status %q, reload %s", status, reload)
	}
	if after, state := s.show(t, unit, "MainPID"), s.show(t, unit, "SubState"); after != before || state != "running" {
		t.Errorf("%s is process %s and %s, was %s", unit, after, state, before)
	}
}

// crash sends a signal to the main process of a unit and waits until another one is there.
func (s *systemd) crash(t *testing.T, unit, signal string) {
	t.Helper()
	pid := s.show(t, unit, "MainPID")
	s.systemctl(t, "kill", "--kill-whom=main", "--signal="+signal, unit)
	daemons.Eventually(t, "the worker to be started again after "+signal, func() error {
		if now, state := s.show(t, unit, "MainPID"), s.show(t, unit, "SubState"); now == pid || state != "running" {
			return fmt.Errorf("process %s, was %s, is %s", now, pid, state)
		}
		return nil
	})
	if n := s.show(t, unit, "NRestarts"); n != "1" {
		t.Errorf("%s was started again %s times", unit, n)
	}
}

// finish stops the flows and the units: no record is missing or wrong, no BMP session has ended.
func (s *systemd) finish(t *testing.T, f *fleet, units ...string) {
	t.Helper()
	f.StopFlows(t.Context())
	if n := f.Sent().BMPSessions; n != systemdRouters {
		t.Errorf("%d BMP sessions of %d routers", n, systemdRouters)
	}
	s.allRead(t)
	var records []string
	for _, unit := range units {
		s.systemctl(t, "stop", unit)
		if state := s.show(t, unit, "Result"); state != "success" {
			t.Errorf("%s: result %s", unit, state)
		}
		records = append(records, s.path("var/log", unit+".json"))
	}
	f.check(t, f.Sent().Records, records...)
}
