package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/telcol/telcol/steering"
)

// steeringRoot gives a place of its own for groups, or skips.
func steeringRoot(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("TELCOL_REQUIRE_BPF") == "1" {
			t.Fatal("not root, and TELCOL_REQUIRE_BPF=1 forbids to skip")
		}
		t.Skip("needs root to load the steering program")
	}
	root := fmt.Sprintf("/sys/fs/bpf/telcol-test-%d", os.Getpid())
	t.Cleanup(func() { os.RemoveAll(root) })
	return root
}

// TestSteeringCommands goes through the life of a group.
func TestSteeringCommands(t *testing.T) {
	e := env{steeringRoot: steeringRoot(t)}
	expect := func(want result, args ...string) {
		t.Helper()
		if got := telcol(t, e, append([]string{"steering"}, args...)...); got != want {
			t.Errorf("telcol steering %q:\ngot  %+v\nwant %+v", args, got, want)
		}
	}
	where := fmt.Sprintf("no such steering group: %q in %s", "g1", e.steeringRoot)
	create := ": create it with telcol steering init --group g1 --slots N\n"
	expect(result{exitRun, "", "telcol: " + where + create}, "status", "--group", "g1")
	expect(result{exitRun, "", "telcol: " + where + create}, "where", "--group", "g1", "192.0.2.1")
	expect(result{exitRun, "", "telcol: " + where + ", nothing to remove\n"}, "destroy", "--group", "g1")
	expect(result{
		exitUsage, "",
		"telcol: a group that does not exist yet needs its number of workers: telcol steering init --slots N, with N from 1 to 256\n",
	}, "init", "--group", "g1")

	expect(result{exitUsage, "", "telcol: slots 257 is out of range, want 1 to 256\n"}, "init", "--group", "g1", "--slots", "257")

	ready := `steering group "g1" is ready: 4 slots, listeners udp/4739 and tcp/1790 and tcp/4739` + "\n"
	expect(result{exitOK, ready, ""}, "init", "--group", "g1", "--slots", "4", "--user", "65534:65534")
	expect(result{exitOK, ready, ""}, "init", "--group", "g1")
	resized := strings.Replace(ready, "4 slots", "5 slots", 1)
	expect(result{exitOK, resized, ""}, "init", "--group", "g1", "--slots", "5")
	expect(result{exitOK, ready, ""}, "init", "--group", "g1", "--slots", "4")

	status := telcol(t, e, "steering", "status", "--group", "g1")
	for _, want := range []string{`steering group "g1": 4 slots, generation 3, 0 aliases, 0 pins`, "udp/4739 selected", "nobody"} {
		if !strings.Contains(status.stdout, want) {
			t.Errorf("no %q in %s", want, status.stdout)
		}
	}
	var st steering.Status
	asJSON := telcol(t, e, "steering", "status", "--group", "g1", "--json")
	if err := json.Unmarshal([]byte(asJSON.stdout), &st); err != nil || len(st.Slots) != 4 || st.Group != "g1" {
		t.Errorf("got %v, %+v from %s", err, st, asJSON.stdout)
	}
	checkWhere(t, e)

	expect(result{exitOK, `steering group "g1" is removed` + "\n", ""}, "destroy", "--group", "g1")
	expect(result{exitRun, "", "telcol: " + where + ", nothing to remove\n"}, "destroy", "--group", "g1")
}

// checkWhere compares the answers with those of the package.
func checkWhere(t *testing.T, e env) {
	t.Helper()
	g, err := steering.Open(e.steeringRoot, "g1")
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	addrs := []string{"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"}
	got := telcol(t, e, append([]string{"steering", "where", "--group", "g1", "--json"}, addrs...)...)
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	if len(lines) != len(addrs) || lines[0] != lines[2] {
		t.Fatalf("got %+v", got)
	}
	for _, line := range lines {
		var p place
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatal(err)
		}
		if want := g.Where(p.Addr); p.Placement != want || p.Alive {
			t.Errorf("got %+v, want %+v", p, want)
		}
	}
	text := telcol(t, e, "steering", "where", "--group", "g1", "192.0.2.1").stdout
	if !strings.HasPrefix(text, "192.0.2.1: slot ") || !strings.Contains(text, ", nobody: what this device sends is dropped (bucket ") {
		t.Errorf("got %q", text)
	}
}

func TestLookupUser(t *testing.T) {
	for _, c := range []struct {
		text string
		want steering.User
	}{
		{"root", steering.User{}},
		{"0", steering.User{}},
		{"12:34", steering.User{UID: 12, GID: 34}},
		{"3999999", steering.User{UID: 3999999, GID: 3999999}},
	} {
		got, err := lookupUser(c.text)
		if err != nil || *got != c.want {
			t.Errorf("%s: got %v, %v", c.text, got, err)
		}
	}
	for _, text := range []string{"", ":", "1:", "-1", "1:-1", "no such user"} {
		if u, err := lookupUser(text); err == nil {
			t.Errorf("%q: got %v", text, u)
		}
	}
}
