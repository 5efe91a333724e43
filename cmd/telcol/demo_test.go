package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/steering"
)

// buildTelcol builds the binary where any user can run it.
func buildTelcol(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs for long")
	}
	dir, err := os.MkdirTemp("", "telcol-demo-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "telcol")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// requireBPF skips a test that needs steering, unless skips are forbidden.
func requireBPF(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("TELCOL_REQUIRE_BPF") == "1" {
		t.Fatal("not root, and TELCOL_REQUIRE_BPF=1 forbids to skip")
	}
	t.Skip("needs root to load the steering program")
}

// demoRun is a demo in a process of its own.
type demoRun struct {
	t   *testing.T
	cmd *exec.Cmd

	out daemons.Buffer
}

func startDemo(t *testing.T, path string, change func(*exec.Cmd), args ...string) *demoRun {
	t.Helper()
	d := &demoRun{t: t, cmd: exec.Command(path, append([]string{"demo"}, args...)...)}
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	if change != nil {
		change(d.cmd)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.cmd.Process.Kill()
		if t.Failed() {
			t.Log(d.out.String())
		}
	})
	return d
}

// wait waits for the end of the demo and gives its exit code.
func (d *demoRun) wait() int {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 5*time.Minute)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { d.cmd.Process.Kill() })
	defer stop()
	err := d.cmd.Wait()
	if ctx.Err() != nil {
		d.t.Fatal("the demo does not end")
	}
	if _, exited := err.(*exec.ExitError); err != nil && !exited { //nolint:errorlint // Wait does not wrap it
		d.t.Fatal(err)
	}
	return d.cmd.ProcessState.ExitCode()
}

// await waits until the output matches.
func (d *demoRun) await(pattern string) []string {
	d.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(daemons.Patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if m := re.FindStringSubmatch(d.out.String()); m != nil {
			return m
		}
	}
	d.t.Fatalf("no %s in the output", pattern)
	return nil
}

// nothingLeft checks that the workers and the group are gone.
func (d *demoRun) nothingLeft() {
	d.t.Helper()
	names, err := steering.List("")
	if err != nil {
		d.t.Error(err)
	}
	for _, name := range names {
		if name == "demo-"+strconv.Itoa(d.cmd.Process.Pid) {
			d.t.Errorf("group %s is left behind", name)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^ +\d+ +(\d+) +\d+ +\d+ +[\d,]+ `).FindAllStringSubmatch(d.out.String(), -1) {
		pid, _ := strconv.Atoi(m[1])
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && strings.TrimSpace(string(comm)) == "telcol" {
			d.t.Errorf("worker %d is left behind", pid)
		}
	}
}

// TestDemo runs the demo with steering: nothing is lost, misplaced, unjoined or wrong.
func TestDemo(t *testing.T) {
	path := buildTelcol(t)
	requireBPF(t)
	d := startDemo(t, path, nil, "--for", "10s", "--routers", "96", "--routes", "500") // so many that each slot has some
	if code := d.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	d.await(`topic telcol.flow: .* right, 0 faults`)
	d.await(`(?m)^ +3 +\d+ +[1-9]\d* +`)
	d.await(`kcat -b 127\.0\.0\.1:\d+ -t telcol\.flow -C -o end`)
	d.await(`All right\.`)
	d.nothingLeft()
}

// TestDemoWithoutSteering runs it as a user who may not load programs.
func TestDemoWithoutSteering(t *testing.T) {
	path := buildTelcol(t)
	d := startDemo(t, path, func(cmd *exec.Cmd) {
		cmd.Dir = "/"
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
	}, "--for", "4s", "--routers", "5")
	if code := d.wait(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	d.await(`No steering here: .*not permitted`)
	d.await(`All right\.`)
	d.nothingLeft()
}

// TestDemoEnds interrupts a demo, and kills a worker of another.
func TestDemoEnds(t *testing.T) {
	path := buildTelcol(t)
	requireBPF(t)
	t.Run("interrupted", func(t *testing.T) {
		d := startDemo(t, path, nil)
		d.await(`right, 0 faults`)
		_ = d.cmd.Process.Signal(syscall.SIGINT)
		if code := d.wait(); code != exitOK {
			t.Errorf("exit code %d", code)
		}
		d.await(`All right\.`)
		d.nothingLeft()
	})
	t.Run("interrupted at the start", func(t *testing.T) {
		d := startDemo(t, path, nil)
		d.await(`to tell [\d,]+ routes`)
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		if code := d.wait(); code != exitOK {
			t.Errorf("exit code %d", code)
		}
		d.nothingLeft()
	})
	t.Run("worker killed", func(t *testing.T) {
		d := startDemo(t, path, nil)
		pid, err := strconv.Atoi(d.await(`(?m)^ +2 +(\d+) +\d+ +\d+ +`)[1])
		if err != nil {
			t.Fatal(err)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
		if code := d.wait(); code != exitRun {
			t.Errorf("exit code %d", code)
		}
		d.await(fmt.Sprintf(`worker of slot 2 \(pid %d\) ended: signal: killed`, pid))
		d.nothingLeft()
	})
}
