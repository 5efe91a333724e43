package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/telcol/telcol/collector"
	"github.com/telcol/telcol/steering"
)

// TestSuperviseGroup makes the group that workers are to join, and takes the number of slots of one that exists.
func TestSuperviseGroup(t *testing.T) {
	e := env{steeringRoot: steeringRoot(t)}
	cfg := collector.Default()
	cfg.Group, cfg.Slots = "s1", 3
	for range 2 {
		if n, err := superviseGroup(t.Context(), &e, &cfg); n != 3 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
	}
	g, err := steering.Open(e.steeringRoot, "s1")
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if ls, err := g.Listeners(); err != nil || len(ls) != 3 {
		t.Errorf("listeners %v, %v", ls, err)
	}
	cfg.Slots = 0
	if n, err := superviseGroup(t.Context(), &e, &cfg); n != 3 || err != nil {
		t.Errorf("number not told: got %d, %v", n, err)
	}
	want := result{exitUsage, "", "telcol: steering group \"s1\" has 3 slots, not 4: run telcol steering resize 4 first, or leave --slots away\n"}
	if got := telcol(t, e, "supervise", "--group", "s1", "--slots", "4"); got != want {
		t.Errorf("got %+v", got)
	}
}

func TestSuperviseCommand(t *testing.T) {
	cfg := collector.Default()
	cfg.HTTP = "[::1]:9000"
	w := workers{cfg: &cfg, self: "/usr/bin/telcol", file: "/etc/telcol.yaml", given: map[string]string{"slots": "4", "http": "[::1]:9000", "group": "edge"}}
	want := []string{"/usr/bin/telcol", "worker", "--slot", "2", "--config", "/etc/telcol.yaml", "--group=edge", "--slots=4", "--http=[::1]:9002"}
	if got := w.command(2).Args; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := w.successor()(2).Args; !reflect.DeepEqual(got, append(want, "--takeover")) {
		t.Errorf("successor: got %q", got)
	}
	if cfg.Steering = false; w.successor() != nil {
		t.Error("a successor that cannot meet the worker before it")
	}
	for _, c := range []struct{ addr, want string }{
		{"", ""}, {"off", "off"}, {"127.0.0.1:0", "127.0.0.1:0"}, {":9000", ":9003"}, {"localhost:http", "localhost:http"},
	} {
		if got := httpOf(c.addr, 3); got != c.want {
			t.Errorf("%s: got %s, want %s", c.addr, got, c.want)
		}
	}
}

// TestSupervisorLosesTheReaderOfItsRecords ends workers whose records nobody takes: they would count them as written.
func TestSupervisorLosesTheReaderOfItsRecords(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd := exec.CommandContext(t.Context(), buildTelcol(t), "supervise", "--steering", "off", "--sink", "stdout", "--bmp-events", "all",
		"--listen-ipfix", "127.0.0.1:0", "--listen-bmp", "127.0.0.1:0", "--http", "off")
	cmd.Stdout = w
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var last string
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if last = lines.Text(); strings.Contains(last, "worker runs") {
			_, addr, _ := strings.Cut(last, " bmp=")
			addr, _, _ = strings.Cut(addr, " ")
			conn, err := net.Dial("tcp", addr) // which is an event
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitRun || !strings.Contains(last, "lost its reader") {
		t.Errorf("ended with %v, the last words were %s", err, last)
	}
}
