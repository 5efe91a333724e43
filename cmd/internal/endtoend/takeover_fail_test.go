package endtoend

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/collector/takeover"
	"github.com/telcol/telcol/deploy/freeport"
)

// TestTakeoversThatFail has processes begin a takeover and die at each step, and others that may not or cannot: the worker goes on, and
// loses nothing. A plain start in its place is refused, a real takeover works then.
func TestTakeoversThatFail(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 15 s")
	}
	if !inNamespace(t) {
		return
	}
	g := startReplaceable(t, "[::]", "--intake-receive-buffer", "256KiB") // a second of what comes
	const routers = 20
	f := startFleet(t, g.group, routers, 2000)
	f.StartFlows()
	settled := g.settled(t)
	old := g.workers[0]
	// In the pause more comes than the receive buffer holds.
	for step, say := range []string{"", "a", "aw", "aeR", "aeRy", "ae "} {
		dieAt(t, g, step, say, func() { time.Sleep(3 * time.Second) })
	}
	daemons.Eventually(t, "the worker to go on each time", func() error {
		if n := strings.Count(old.Output(), "takeover was given up, this worker goes on"); n != 5 {
			return fmt.Errorf("%d times", n)
		}
		return nil
	})

	refused := func(what string, w *daemons.Worker, want string) {
		t.Helper()
		daemons.Eventually(t, what, func() error {
			if err := w.Err(); err == nil || !strings.Contains(err.Error(), want) {
				return fmt.Errorf("want %q, got %s", want, fmt.Sprint(err))
			}
			return nil
		})
	}
	pid := fmt.Sprintf("taken by pid %d (telcol)", old.Cmd.Process.Pid)
	refused("a plain start to be refused", g.start(t, "--http", "off"), pid)
	refused("bad settings to be refused", g.start(t, "--takeover", "--bmp-max-message", "5"), "bmp.max-message")
	refused("an address that cannot be had to be refused", g.start(t, "--takeover", "--http", g.bmp), "choose another with --http")
	refuseStranger(t, g)
	if err := old.Err(); err != nil {
		t.Fatal(err)
	}
	for again := true; again; again = time.Since(settled) < 2*time.Second { // export times are whole seconds
		g.replace(t)
	}
	f.StopFlows(t.Context())
	if n := f.Sent().BMPSessions; n != routers {
		t.Errorf("%d BMP sessions of %d routers", n, routers)
	}
	g.finish(t, f)
	checkOrder(t, g.out, settled)
}

// socket is where the group's only slot can be asked.
func (g *replaceable) socket() string { return filepath.Join(g.state, g.name, "0", "takeover.sock") }

// dieAt talks as a new process would: small letters but the first are messages to wait for, the others are said, a blank is a pause.
func dieAt(t *testing.T, g *replaceable, step int, words string, pause func()) {
	t.Helper()
	conn, err := takeover.Dial(t.Context(), g.socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(daemons.Patience))
	if err := conn.Hello(); err != nil {
		t.Fatalf("step %d: %v", step, err)
	}
	for _, kind := range []byte(words) {
		switch kind {
		case 'a':
			ns, err := os.Readlink("/proc/self/ns/net")
			if err != nil {
				t.Fatal(err)
			}
			text, _ := json.Marshal(map[string]any{"group": g.name, "slot": 0, "steering": true, "namespace": ns})
			err = conn.Send('a', text, nil)
			if err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
		case ' ':
			pause()
		case 'R':
			if err := conn.Send('R', nil, nil); err != nil {
				t.Fatalf("step %d: %v", step, err)
			}
		default:
			for {
				m, err := conn.Receive()
				if err != nil {
					t.Fatalf("step %d: waiting for %c: %v", step, kind, err)
				}
				m.Close()
				if byte(m.Kind) == kind {
					break
				}
			}
		}
	}
}

// refuseStranger lets another user try, to whom all doors are open but the last.
func refuseStranger(t *testing.T, g *replaceable) {
	t.Helper()
	for name := g.socket(); name != g.state; name = filepath.Dir(name) {
		if err := os.Chmod(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(g.socket(), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(daemons.Binary(t)), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(daemons.Binary(t), "worker", "--slot", "0", "--group", g.name, "--steering", "off", "--sink", "stdout", "--http", "off",
		"--listen-ipfix", "127.0.0.1:1", "--listen-bmp", "127.0.0.1:2", "--run-dir", g.state, "--takeover")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: unprivileged}
	stranger := daemons.StartCommand(t, cmd)
	daemons.Eventually(t, "a stranger to be refused", func() error {
		if err := stranger.Err(); err == nil || !strings.Contains(err.Error(), "runs as another user") {
			return fmt.Errorf("the stranger: %s", fmt.Sprint(err))
		}
		if !strings.Contains(g.workers[0].Output(), "the other process runs as another user") {
			return errors.New("the worker has not said so")
		}
		return nil
	})
}

// TestReplacement replaces a worker that cannot be asked: nothing is lost either, but routers connect again, and say their routes anew.
func TestReplacement(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes 15 s")
	}
	if !inNamespace(t) {
		return
	}
	state := daemons.Dir(t)
	g := startReplaceable(t, "[::]", "--state-dir", state)
	const routers = 20
	f := startFleet(t, g.group, routers, 2000)
	f.StartFlows()
	for range 3 {
		if err := os.Remove(g.socket()); err != nil {
			t.Fatal(err)
		}
		g.replace(t)
		if said := g.workers[0].Output(); !strings.Contains(said, "cannot hand over what it knows") {
			t.Errorf("it does not say so: %s", said)
		}
		daemons.Eventually(t, "the routers to come back", func() error {
			if n := g.workers[0].Metric(t, "telcol_bmp_sessions"); n != routers {
				return fmt.Errorf("%v of %d", n, routers)
			}
			return nil
		})
	}
	f.StopFlows(t.Context())
	g.finish(t, f)
}

// envOtherVersion makes this test binary a worker of another version, which listens here.
const envOtherVersion = "ENDTOEND_OTHER_VERSION"

// TestTakeoverOfAnotherVersion meets a process that speaks another version: it is asked to stop, and the new one starts when it has.
func TestTakeoverOfAnotherVersion(t *testing.T) {
	dir := daemons.Dir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "default", "0", "takeover.sock")
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestOtherVersion$")
	cmd.Env = append(os.Environ(), envOtherVersion+"="+socket)
	other := daemons.StartCommand(t, cmd)
	daemons.Eventually(t, "the other version to listen", func() error { _, err := os.Stat(socket); return err })
	w := daemons.StartWorker(t, "--slot", "0", "--steering", "off", "--sink", "stdout", "--run-dir", dir, "--takeover",
		"--listen-ipfix", fmt.Sprintf("127.0.0.1:%d", freeport.Get(t)), "--listen-bmp", fmt.Sprintf("127.0.0.1:%d", freeport.Get(t)))
	w.WaitReady(t)
	other.Wait(t)
	if said := w.Output(); !strings.Contains(said, "cannot hand over what it knows") || !strings.Contains(said, "another version: 200, this is ") {
		t.Errorf("it does not say so: %s", said)
	}
	w.Stop(t)
}

// TestOtherVersion is that process, and no test where TestTakeoverOfAnotherVersion has not started it.
func TestOtherVersion(t *testing.T) {
	path := os.Getenv(envOtherVersion)
	if path == "" {
		return
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte("telcol takeover \xc8"))
		_, _ = io.Copy(io.Discard, c)
	}()
	<-stop
}

// TestTakeoverOfNobody starts a worker with --takeover where there is none: it starts as any other.
func TestTakeoverOfNobody(t *testing.T) {
	w := daemons.StartWorker(t, "--slot", "0", "--steering", "off", "--sink", "stdout", "--run-dir", t.TempDir(), "--takeover",
		"--listen-ipfix", fmt.Sprintf("127.0.0.1:%d", freeport.Get(t)), "--listen-bmp", fmt.Sprintf("127.0.0.1:%d", freeport.Get(t)))
	w.WaitReady(t)
	w.Stop(t)
}
