package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/telcol/telcol/collector"
)

// result is what a command line gave.
type result struct {
	code           int
	stdout, stderr string
}

// telcol runs a command line in this process, with a worker that does nothing unless e has one.
func telcol(t *testing.T, e env, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	e.stdout, e.stderr = &stdout, &stderr
	if e.worker == nil {
		e.worker = func(context.Context, collector.Config, collector.Env) error { return nil }
	}
	code := run(t.Context(), e, args)
	return result{code, stdout.String(), stderr.String()}
}

// TestWrongUse holds that wrong use gives one sentence on standard error, nothing on standard output, and exit code 2.
func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "telcol.yaml")
	if err := os.WriteFile(file, []byte("slot: 1\nkafka:\n  broker: [x]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args    string
		environ []string
		want    string
	}{
		{args: "worker", want: "say which slot this worker has (--slot 0 to slots-1)"},
		{args: "worker --slot 4 --slots 4", want: "slot 4 is out of range, 4 slots are numbered 0 to 3"},
		{args: "worker --slot x", want: `--slot: "x" is not a whole number`},
		{args: "worker --slot", want: "flag needs an argument: --slot, see telcol worker --help"},
		{args: "worker --slto 3", want: "telcol worker has no flag --slto, did you mean --slot?"},
		{args: "worker --elephants", want: "telcol worker has no flag --elephants, see telcol worker --help"},
		{args: "worker -x", want: "telcol worker has no flag -x, see telcol worker --help"},
		{args: "worker 3", want: `telcol worker takes no argument "3", see telcol worker --help`},
		{args: "worker --slot 1 --sink file", want: `sink "file" is unknown, want kafka or stdout`},
		{args: "worker --slot 1 --log-level loud", want: `log-level "loud" is unknown, want debug, info, warn or error`},
		{args: "worker --slot 1 --log-format xml", want: `log-format "xml" is unknown, want text or json`},
		{args: "worker --slot 1 --steering maybe", want: `--steering: "maybe" is neither on nor off`},
		{args: "worker --config " + file, want: file + ":3: unknown key kafka.broker, did you mean kafka.brokers?"},
		{args: "worker --config " + dir + "/no.yaml", want: "settings file " + dir + "/no.yaml: no such file or directory"},
		{args: "worker", environ: []string{"TELCOL_SLTO=3"}, want: "TELCOL_SLTO: unknown variable, did you mean TELCOL_SLOT?"},
		{args: "worker", environ: []string{"TELCOL_SLOT=300"}, want: "slot 300 is out of range, 256 slots are numbered 0 to 255"},
		{args: "config check --slot 4 --slots 4", want: "slot 4 is out of range, 4 slots are numbered 0 to 3"},
		{args: "config check --http nowhere", want: `http "nowhere" is not address:port (or off)`},
		{args: "config show --kafka-linger 5", want: `--kafka-linger: "5" is not a duration, write it like 500ms, 10s or 5m`},
		{args: "worke", want: `telcol has no command "worke", did you mean worker?`},
		{args: "dance", want: `telcol has no command "dance", but config, decode, demo, health, replay, rib, simulate, steering, supervise, version, worker`},
		{args: "supervise --group no-such", want: "say how many workers: telcol supervise --slots N, with N from 1 to 256"},
		{args: "supervise --slot 3", want: "telcol supervise has no flag --slot, did you mean --slots?"},
		{args: "supervise --slots 300", want: "slots 300 is out of range, want 1 to 256"},
		{args: "supervise --slots 4 --sink file", want: `sink "file" is unknown, want kafka or stdout`},
		{args: "supervise --slots 4 --steering off", want: "without steering one worker takes all: leave --slots 4 away, or use --steering on"},
		{args: "supervise --slots 4 --watchdog 1s", want: "--watchdog 1s is too short: workers tell every second that they are well, want at least 2s"},
		{args: "steering inti", want: `telcol steering has no command "inti", did you mean init?`},
		{args: "steering where", want: "say whose traffic: telcol steering where ADDR"},
		{args: "steering where router1", want: `"router1" is not an address`},
		{args: "steering init --slots 300", want: "slots 300 is out of range, want 1 to 256"},
		{args: "steering init --slots 4 --user 1:x", want: `--user "1:x" is not uid:gid`},
		{args: "steering init --slots 4 --user nobody-like-this", want: `--user "nobody-like-this": this host has no such user`},
		{args: "steering init --slots 4 --listen-bmp 1790", want: `listen-bmp "1790" is not address:port, for example [::]:1790`},
		{args: "health --http 8080", want: `--http "8080" is not address:port`},
		{args: "replay", want: "say what to play: telcol replay FILE..."},
		{args: "replay --map x f.pcap", want: `replay options: map "x": want FROM=TO, two addresses`},
		{args: "replay --only x f.pcap", want: `replay options: only "x": want bmp or ipfix`},
		{args: "simulate --bmp localhost", want: `--bmp "localhost" is not address:port`},
		{args: "simulate --first router1", want: `--first "router1" is not an address`},
		{args: "simulate --rate -1", want: "simulated router: rate -1 and churn 1, want 0 or more"},
		{args: "simulate --churn -1", want: "simulated router: rate 2400 and churn -1, want 0 or more"},
		{args: "rib devices --slot 300", want: "slot 300 is out of range, want 0 to 255"},
		{args: "simulate --routers 0", want: "simulated router: 0 routers, want 1 to 25000"},
		{args: "demo --workers 0", want: "demo: 0 workers, want 1 to 256"},
		{args: "demo --rate 0", want: "demo: a rate of 0, want more than 0 and at most 1000000 flow records a second"},
		{args: "demo --for yesterday", want: `invalid argument "yesterday" for "--for" flag: time: invalid duration "yesterday", see telcol demo --help`},
	} {
		name := c.args
		if len(c.environ) > 0 {
			name = c.environ[0]
		}
		t.Run(name, func(t *testing.T) {
			got := telcol(t, env{environ: c.environ}, strings.Fields(c.args)...)
			if want := (result{exitUsage, "", "telcol: " + c.want + "\n"}); got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestCommandsWithoutOne(t *testing.T) {
	for _, args := range [][]string{nil, {"steering"}, {"config"}} {
		got := telcol(t, env{}, args...)
		if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, "Commands:") {
			t.Errorf("telcol %q: got %+v", args, got)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--help", "  worker      Run one worker of the group\n"},
		{"worker --help", "bootstrap brokers, host:port with commas between (default localhost:9092)\n"},
		{"steering init --help", "--user USER"},
		{"replay --help", "--map FROM=TO"},
		{"demo --help", "--for duration"},
	} {
		got := telcol(t, env{}, strings.Fields(c.args)...)
		if got.code != exitOK || got.stderr != "" || !strings.Contains(got.stdout, c.want) {
			t.Errorf("telcol %s: no %q in %+v", c.args, c.want, got)
		}
	}
}

// TestWorkerGetsItsSettings runs worker with all three sources.
func TestWorkerGetsItsSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "telcol.yaml")
	if err := os.WriteFile(file, []byte("group: file\nsink: stdout\nslots: 4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := collector.Default()
	want.Slot, want.Slots, want.Group, want.Sink = 3, 8, "file", collector.SinkStdout
	want.Kafka.Brokers = []string{"a:1", "b:2", "c:3"}
	var got collector.Config
	e := env{
		environ: []string{"TELCOL_SLOTS=8", "TELCOL_CONFIG=" + file, "TELCOL_TEST_KAFKA=x"},
		worker: func(_ context.Context, cfg collector.Config, e collector.Env) error {
			got = cfg
			e.Log.Info("to standard error")
			fmt.Fprint(e.Stdout, "records")
			return nil
		},
	}
	r := telcol(t, e, "worker", "--slot", "3", "--kafka-brokers", "a:1,b:2", "--kafka-brokers=c:3")
	if r.code != exitOK || r.stdout != "records" || !strings.Contains(r.stderr, "to standard error") {
		t.Errorf("got %+v", r)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want result
	}{
		{"none", nil, result{exitOK, "", ""}},
		{"failure", errors.New("port in use: choose another"), result{exitRun, "", "telcol: port in use: choose another\n"}},
		{"configuration", fmt.Errorf("%w: say it", collector.ErrConfig), result{exitUsage, "", "telcol: say it\n"}},
		{"two lines", errors.Join(errors.New("one"), errors.New("two")), result{exitRun, "", "telcol: one; two\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := env{worker: func(context.Context, collector.Config, collector.Env) error { return c.err }}
			if got := telcol(t, e, "worker", "--slot", "0"); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestConfigCheck(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "the settings are in order; the slot is left to the worker (--slot or TELCOL_SLOT)\n"},
		{[]string{"--slot", "2"}, "the settings are in order\n"},
		{[]string{"--config", "../../deploy/examples/telcol.yaml"}, "the settings are in order; the slot is left to the worker (--slot or TELCOL_SLOT)\n"},
	} {
		if got := telcol(t, env{}, append([]string{"config", "check"}, c.args...)...); got != (result{exitOK, c.want, ""}) {
			t.Errorf("%q: got %+v", c.args, got)
		}
	}
	if got := telcol(t, env{}, "config", "check", "--slot", "-5"); got.code != exitUsage || !strings.Contains(got.stderr, "--slot 0 to") {
		t.Errorf("got %+v", got)
	}
}

func TestConfigShow(t *testing.T) {
	got := telcol(t, env{environ: []string{"TELCOL_STEERING=off"}}, "config", "show", "--slot", "3")
	for _, line := range []string{"slot: 3 # --slot\n", "steering: false # TELCOL_STEERING\n", "  linger: 20ms # default\n"} {
		if !strings.Contains(got.stdout, line) {
			t.Errorf("no %q in %s", line, got.stdout)
		}
	}
	if got.code != exitOK || got.stderr != "" {
		t.Errorf("got %+v", got)
	}
}

func TestVersion(t *testing.T) {
	got := telcol(t, env{}, "version")
	if got.code != exitOK || !strings.HasPrefix(got.stdout, "telcol ") || !strings.Contains(got.stdout, "linux/") {
		t.Errorf("got %+v", got)
	}
}

func TestHealth(t *testing.T) {
	ready := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(ready)
		fmt.Fprint(w, "slot 1\nsink away\n")
	}))
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	if got := telcol(t, env{}, "health", "--http", addr); got != (result{exitOK, "slot 1\nsink away\n", ""}) {
		t.Errorf("ready: got %+v", got)
	}
	ready = http.StatusServiceUnavailable
	want := result{exitRun, "", "telcol: worker at " + addr + " is not ready: slot 1; sink away\n"}
	if got := telcol(t, env{}, "health", "--http", addr); got != want {
		t.Errorf("not ready: got %+v", got)
	}
	srv.Close()
	want = result{exitRun, "", "telcol: no worker answers at " + addr + ": dial tcp " + addr + ": connect: connection refused\n"}
	if got := telcol(t, env{}, "health", "--http", addr); got != want {
		t.Errorf("away: got %+v", got)
	}
}

// TestSimulate plays routers against a collector that is not there.
func TestSimulate(t *testing.T) {
	got := telcol(t, env{}, "simulate", "--ipfix", "127.0.0.1:9", "--bmp", "127.0.0.1:9", "--routers", "3", "--for", "300ms")
	if got.code != exitOK || got.stdout != "" || !strings.Contains(got.stderr, "simulated routers end") {
		t.Errorf("got %+v", got)
	}
	got = telcol(t, env{}, "simulate", "--first", "192.0.2.1", "--routers", "1")
	if got.code != exitRun || !strings.Contains(got.stderr, "telcol: simulated router 192.0.2.1: ") {
		t.Errorf("an address that is not here: got %+v", got)
	}
}

func TestReplayOfNothing(t *testing.T) {
	got := telcol(t, env{}, "replay", filepath.Join(t.TempDir(), "no.pcap"))
	if got.code != exitRun || got.stdout != "" || !strings.Contains(got.stderr, "no.pcap") || strings.Count(got.stderr, "\n") != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestWorkerOutlivesItsLog ends the reader of a worker's log, which must not end the worker.
func TestWorkerOutlivesItsLog(t *testing.T) {
	path := buildTelcol(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.CommandContext(t.Context(), path, "worker", "--slot", "0", "--steering", "off", "--sink", "stdout", "--listen-ipfix", "127.0.0.1:0",
		"--listen-bmp", "127.0.0.1:0", "--http", addr)
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for ready := false; !ready; { // "worker runs" is in the log before that
		select {
		case err := <-ended:
			t.Fatalf("the worker ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
		var out strings.Builder
		ready = askReady(t.Context(), addr, &out) == nil
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the worker ended with %v", err)
	}
}

// TestStopIsToldTwice stops a worker as timeout(1) and some shells do: the signal comes a second time when the stop has begun. A busy machine may
// keep the second one back until it is one of its own, which is tried again.
func TestStopIsToldTwice(t *testing.T) {
	path := buildTelcol(t)
	for {
		last, between, err := stopTwice(t, path)
		if err == nil && strings.Contains(last, "worker stopped") {
			return
		}
		if between < signalTwice/2 {
			t.Fatalf("the worker ended with %v, its last words were %s", err, last)
		}
		t.Logf("once more: %v lay between the signals", between)
	}
}

// stopTwice returns the last words of the worker, the time between the signals, and how it ended.
func stopTwice(t *testing.T, path string) (last string, between time.Duration, end error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, "worker", "--slot", "0", "--steering", "off", "--sink", "stdout",
		"--listen-ipfix", "127.0.0.1:0", "--listen-bmp", "127.0.0.1:0", "--http", "off")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var first time.Time
	for lines := bufio.NewScanner(log); lines.Scan(); {
		last = lines.Text()
		if !strings.Contains(last, "worker runs") && !strings.Contains(last, "worker stops") {
			continue
		}
		if first.IsZero() {
			first = time.Now()
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		between = time.Since(first)
	}
	return last, between, cmd.Wait()
}

// TestSecondSignal ends a worker in the middle of its stop, in which it waits for a broker that is not there.
func TestSecondSignal(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), buildTelcol(t), "worker", "--slot", "0", "--steering", "off", "--kafka-brokers", "127.0.0.1:1",
		"--listen-ipfix", "127.0.0.1:0", "--listen-bmp", "127.0.0.1:0", "--http", "off", "--drain-timeout", "10m")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var last string
	for lines := bufio.NewScanner(log); lines.Scan(); {
		switch last = lines.Text(); {
		case strings.Contains(last, "worker runs"):
			_, addr, _ := strings.Cut(last, " bmp=")
			addr, _, _ = strings.Cut(addr, " ")
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		case strings.Contains(last, "bmp session opened"): // whose event waits for the broker
			cmd.Process.Signal(syscall.SIGTERM)
		case strings.Contains(last, "worker stops"):
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			go func() {
				for range tick.C {
					if cmd.Process.Signal(syscall.SIGTERM) != nil {
						return
					}
				}
			}()
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM || !strings.Contains(last, "second signal") {
		t.Errorf("the worker ended with %v, its last words were %s", err, last)
	}
}
