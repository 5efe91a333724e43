package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/steering"
)

// tableGroup is a group of four slots without workers.
func tableGroup(t *testing.T) (env, func(args ...string) result) {
	t.Helper()
	e := env{steeringRoot: steeringRoot(t)}
	do := func(args ...string) result {
		t.Helper()
		return telcol(t, e, append([]string{"steering", args[0], "--group", "g2"}, args[1:]...)...)
	}
	if r := do("init", "--slots", "4"); r.code != exitOK {
		t.Fatalf("init: %+v", r)
	}
	t.Cleanup(func() { do("destroy") })
	return e, do
}

// TestTableCommands changes the table by every command, and reads it back.
func TestTableCommands(t *testing.T) {
	e, do := tableGroup(t)
	plan := func() *steering.Plan {
		t.Helper()
		g, err := steering.Open(e.steeringRoot, "g2")
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		return g.Table().Plan()
	}
	good := func(want string, args ...string) {
		t.Helper()
		if r := do(args...); r.code != exitOK || r.stderr != "" || !strings.Contains(r.stdout, want) {
			t.Errorf("telcol steering %q: no %q in %+v", args, want, r)
		}
	}
	fails := func(code int, want string, args ...string) {
		t.Helper()
		if got := do(args...); got != (result{code, "", "telcol: " + want + "\n"}) {
			t.Errorf("telcol steering %q:\ngot  %+v\nwant %q", args, got, want)
		}
	}
	before := plan()
	good("0 of 0 known devices would move", "drain", "1", "--dry-run")
	good("would move (", "resize", "8", "--dry-run")
	if got := plan(); len(got.Drained) != 0 || got.Slots != before.Slots {
		t.Errorf("a dry run changed the plan: %+v", got)
	}
	good("known devices moved (1 of 16384 buckets)", "pin", "::ffff:192.0.2.1", otherSlot(t, e, "192.0.2.1"))
	good("192.0.2.1 slot ", "pin")
	good("pinned", "where", "192.0.2.1")
	good("devices moved", "weight", "1", "2.5")
	good("devices moved", "drain", "2")
	good("no worker in slot 0, 1, 3: what its devices send is dropped", "weight", "1", "2.5")
	good("(0 of 16384 buckets)", "resize", "5", "--drained")
	if got := plan(); got.Slots != 5 || got.Weights[1] != 2.5 || !got.Drained[2] || !got.Drained[4] || len(got.Pins) != 1 {
		t.Errorf("plan %+v", got)
	}
	good("drained", "status")
	good("devices moved", "undrain", "2")
	good("devices moved", "resize", "4")
	good("devices moved", "unpin", "192.0.2.1")

	fails(exitRun, "192.0.2.1 is not pinned; telcol steering pin lists what is", "unpin", "192.0.2.1")
	fails(exitRun, "slot out of range: slot 7, the group has slots 0 to 3", "drain", "7")
	fails(exitRun, "not a possible plan: weight 0, want 0.01 to 100; drain the slot to give it nothing", "weight", "0", "0")
	fails(exitUsage, `"x" is not a slot, 0 to 255`, "drain", "x")
	fails(exitUsage, `"heavy" is not a weight, write it like 0.5`, "weight", "0", "heavy")
	fails(exitUsage, `"0" is not a number of slots, 1 to 256`, "resize", "0")
	fails(exitUsage, `"router1" is not an address`, "pin", "router1", "2")
	fails(exitUsage, "say it like this: telcol steering pin ADDR SLOT", "pin", "192.0.2.1")
	fails(exitUsage, "say it like this: telcol steering weight SLOT WEIGHT", "weight", "1")
	for _, slot := range []string{"0", "1", "2"} {
		good("devices moved", "drain", slot)
	}
	fails(exitRun, "no slot would be left to take the devices", "drain", "3")
}

// TestWarnWorkers tells of every slot once what is wrong with its worker.
func TestWarnWorkers(t *testing.T) {
	one := &steering.Owner{PID: 7}
	held := []steering.SlotListener{{Owner: one}, {Owner: one}, {Unused: true}}
	st := &steering.Status{Slots: []steering.SlotStatus{
		{PID: 7, Alive: true, Listeners: held},
		{Listeners: []steering.SlotListener{{}, {}, {Unused: true}}},
		{PID: 7, Stuck: true, Listeners: held},
		{PID: 7, Listeners: []steering.SlotListener{{Owner: one}, {}, {Unused: true}}},
		{Beyond: true, Listeners: []steering.SlotListener{{}, {}, {Unused: true}}},
		{PID: 7, Beyond: true, Listeners: held},
	}}
	var b strings.Builder
	if err := warnWorkers(&b, st, steering.NewTable(steering.Key{}, 4)); err != nil {
		t.Fatal(err)
	}
	want := `
no worker in slot 1: what its devices send is dropped and counted

the worker in slot 2 is stuck: telcol steering evict frees it for another

the worker in slot 3 has not all listeners: what its devices send to the others is dropped and counted

the group has no slot 5 any more: stop its worker when its sessions have moved
`
	if b.String() != want {
		t.Errorf("got %s", b.String())
	}
}

// otherSlot names a slot that a device does not belong to.
func otherSlot(t *testing.T, e env, addr string) string {
	t.Helper()
	if strings.Contains(telcol(t, e, "steering", "where", "--group", "g2", addr).stdout, "slot 1,") {
		return "2"
	}
	return "1"
}

// TestStatusWatch shows the group again and again until it is interrupted.
func TestStatusWatch(t *testing.T) {
	e, _ := tableGroup(t)
	g, err := steering.Open(e.steeringRoot, "g2")
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, asJSON := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		w := &countingWriter{sign: clearScreen, enough: cancel}
		if asJSON {
			w.sign = "\n"
		}
		if err := showStatus(ctx, w, g, &statusOptions{json: asJSON, watch: true, every: time.Millisecond}); err != nil || w.n < 3 {
			t.Errorf("json %v: %d times, %v", asJSON, w.n, err)
		}
	}
}

// countingWriter calls enough when it has seen sign three times.
type countingWriter struct {
	sign   string
	enough func()
	n      int
}

func (w *countingWriter) Write(b []byte) (int, error) {
	if w.n += strings.Count(string(b), w.sign); w.n >= 3 {
		w.enough()
	}
	return len(b), nil
}

func TestListCommands(t *testing.T) {
	_, do := tableGroup(t)
	for _, c := range []struct {
		args string
		want result
	}{
		{"alias", result{exitOK, "", ""}},
		{"alias 192.0.2.1 192.0.2.1", result{exitUsage, "", "telcol: 192.0.2.1 cannot be an alias of itself\n"}},
		{"alias 192.0.2.1", result{exitUsage, "", "telcol: say it like this: telcol steering alias ADDR CANONICAL\n"}},
		{"unalias 192.0.2.1", result{exitRun, "", "telcol: 192.0.2.1 is no alias; telcol steering alias lists what is\n"}},
		{"allow", result{exitOK, "", ""}},
		{"allow 192.0.2.0/24 ::ffff:198.51.100.1 2001:db8::/32", result{exitOK, "3 prefixes are let in, all else is dropped\n", ""}},
		{"allow", result{exitOK, "192.0.2.0/24\n198.51.100.1/32\n2001:db8::/32\n", ""}},
		{"allow 192.0.2.1/24", result{exitUsage, "", "telcol: 192.0.2.1/24 has bits beyond its length, did you mean 192.0.2.0/24?\n"}},
		{"allow everyone", result{exitUsage, "", "telcol: \"everyone\" is not a prefix, write it like 192.0.2.0/24\n"}},
		{"disallow 10.0.0.0/8", result{exitRun, "", "telcol: not on the list: 10.0.0.0/8; telcol steering allow shows what is\n"}},
		{"disallow", result{exitUsage, "", "telcol: say it like this: telcol steering disallow PREFIX...\n"}},
		{"disallow 192.0.2.0/24", result{exitOK, "2 prefixes are let in, all else is dropped\n", ""}},
		{"disallow 198.51.100.1 2001:db8::/32", result{exitOK, "no prefix is left: every source is let in\n", ""}},
		{"selftest --per-slot 0", result{exitUsage, "", "telcol: --per-slot 0 is out of range, 1 to 1000\n"}},
		{"status --every 0s --watch", result{exitUsage, "", "telcol: --every 0s must be positive\n"}},
	} {
		if got := do(strings.Fields(c.args)...); got != c.want {
			t.Errorf("telcol steering %s:\ngot  %+v\nwant %+v", c.args, got, c.want)
		}
	}
	if r := do("alias", "192.0.2.1", "2001:db8::1"); r.code != exitOK || !strings.HasPrefix(r.stdout, "192.0.2.1 is an address of 2001:db8::1 now: slot ") {
		t.Errorf("alias: %+v", r)
	}
	if r := do("alias"); r.stdout != "192.0.2.1 2001:db8::1\n" {
		t.Errorf("aliases: %+v", r)
	}
	if r := do("unalias", "192.0.2.1"); r.code != exitOK {
		t.Errorf("unalias: %+v", r)
	}
	if r := do("allow", "10.0.0.0/8"); r.code != exitOK {
		t.Errorf("allow: %+v", r)
	}
	if r := do("where", "192.0.2.1"); !strings.Contains(r.stdout, "not let in") {
		t.Errorf("where: %+v", r)
	}
}
