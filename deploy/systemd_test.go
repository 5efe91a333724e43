package deploy

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// unit reads a systemd unit: the values of each key, in order, whatever the section.
func unit(t *testing.T, name string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("systemd/" + name)
	if err != nil {
		t.Fatal(err)
	}
	keys := make(map[string][]string)
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", "")) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			keys[key] = append(keys[key], value)
		}
	}
	return keys
}

func only(t *testing.T, keys map[string][]string, key string) string {
	t.Helper()
	if len(keys[key]) != 1 {
		t.Fatalf("%s has %d values, want one", key, len(keys[key]))
	}
	return keys[key][0]
}

// TestUnitCommandsExist has telcol read the commands of the units: an unknown flag is an error even with --help.
func TestUnitCommandsExist(t *testing.T) {
	for _, name := range []string{"telcol-steering.service", "telcol@.service", "telcol.service"} {
		line := strings.ReplaceAll(only(t, unit(t, name), "ExecStart"), "%i", "0")
		args := strings.Fields(line)
		cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"run", "../cmd/telcol"}, args[1:]...), "--help")...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %s: %v\n%s", name, line, err, out)
		}
	}
}

func TestUnitsAgree(t *testing.T) {
	for _, name := range []string{"telcol@.service", "telcol.service"} {
		t.Run(name, func(t *testing.T) { agree(t, unit(t, "telcol-steering.service"), unit(t, name)) })
	}
}

// agree holds that the workers' unit fits the loader's.
func agree(t *testing.T, loader, worker map[string][]string) {
	if user := only(t, worker, "User"); !strings.Contains(only(t, loader, "ExecStart"), " --user "+user) {
		t.Errorf("workers run as %s, the loader does not give the group to them", user)
	}
	for _, key := range []string{"CapabilityBoundingSet", "AmbientCapabilities"} {
		if got := only(t, worker, key); got != "" {
			t.Errorf("workers have %s=%s, want none", key, got)
		}
	}
	if got := only(t, worker, "Requires"); got != "telcol-steering.service" {
		t.Errorf("workers require %q, want the loader", got)
	}
	if !strings.Contains(only(t, worker, "SystemCallFilter"), "bpf") {
		t.Error("workers cannot call bpf(2), which takes the slot")
	}
}

// TestWorkerUnitWatches holds that systemd hears from the worker what it waits for: telcol tells READY=1 and, every second, WATCHDOG=1.
func TestWorkerUnitWatches(t *testing.T) {
	worker := unit(t, "telcol@.service")
	if got := only(t, worker, "Type"); got != "notify" {
		t.Errorf("Type=%s, want notify", got)
	}
	if got := only(t, worker, "Restart"); got != "always" {
		t.Errorf("Restart=%s, want always", got)
	}
	if got, err := strconv.Atoi(only(t, worker, "WatchdogSec")); err != nil || got < 10 {
		t.Errorf("WatchdogSec=%d (%v) is too short for a worker that tells every second unless it is busy", got, err)
	}
	if !strings.Contains(only(t, worker, "RestrictAddressFamilies"), "AF_UNIX") {
		t.Error("workers cannot reach systemd's socket")
	}
	if got := worker["NotifyAccess"]; got != nil {
		t.Errorf("NotifyAccess=%s, but each worker tells of its successor itself", got)
	}
	all := unit(t, "telcol.service")
	for key, want := range map[string]string{"Type": "notify", "KillMode": "mixed"} {
		if got := only(t, all, key); got != want {
			t.Errorf("%s=%s, want %s", key, got, want)
		}
	}
}

// TestUnitsReload holds that a reload sends SIGHUP, and that the loader's does what its start does.
func TestUnitsReload(t *testing.T) {
	for _, name := range []string{"telcol@.service", "telcol.service"} {
		if got := only(t, unit(t, name), "ExecReload"); !strings.Contains(got, "kill -HUP ${MAINPID}") {
			t.Errorf("%s: ExecReload=%s sends no SIGHUP", name, got)
		}
	}
	loader := unit(t, "telcol-steering.service")
	if start, reload := only(t, loader, "ExecStart"), only(t, loader, "ExecReload"); start != reload {
		t.Errorf("reload: %s, start: %s", reload, start)
	}
}
