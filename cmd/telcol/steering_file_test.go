package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keyed is a group with a key file.
type keyed struct {
	t   *testing.T
	do  func(args ...string) result
	key string
}

func keyedGroup(t *testing.T) *keyed {
	t.Helper()
	_, do := tableGroup(t)
	k := &keyed{t, do, filepath.Join(t.TempDir(), "key")}
	k.good("", "destroy")
	return k
}

// init makes or completes the group as the unit does.
func (k *keyed) init(more ...string) result {
	return k.do(append([]string{"init", "--slots", "4", "--key-file", k.key}, more...)...)
}

// good runs a command that has to succeed and say something.
func (k *keyed) good(want string, args ...string) {
	k.t.Helper()
	if r := k.do(args...); r.code != exitOK || r.stderr != "" || !strings.Contains(r.stdout, want) {
		k.t.Errorf("telcol steering %q: no %q in %+v", args, want, r)
	}
}

func (k *keyed) fails(code int, want string, r result) {
	k.t.Helper()
	if r.code != code || !strings.Contains(r.stderr, want) || strings.Count(r.stderr, "\n") != 1 {
		k.t.Errorf("got %+v, want code %d and %q", r, code, want)
	}
}

// seen is all that the commands tell of what was said.
func (k *keyed) seen() (text string) {
	for _, args := range []string{
		"pin", "alias", "allow", "where 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 2001:db8::1 2001:db8::2 2001:db8::3 2001:db8::4",
	} {
		text += k.do(strings.Fields(args)...).stdout
	}
	status := k.do("status").stdout
	_, table, _ := strings.Cut(status, "\n") // all but the generation
	return text + table
}

// TestPlanOutlivesReboot says everything, and finds it again in a group that is made anew from the file.
func TestPlanOutlivesReboot(t *testing.T) {
	k := keyedGroup(t)
	k.good("saved in "+k.key, "init", "--slots", "4", "--key-file", k.key, "--allow", "2001:db8::/32")
	for _, args := range []string{
		"resize 6", "weight 1 2.5", "drain 2", "pin 192.0.2.1 5", "pin 192.0.2.2 0", "unpin 192.0.2.2", "pin 2001:db8::1 2",
		"alias 192.0.2.3 192.0.2.1", "alias 192.0.2.4 192.0.2.1", "unalias 192.0.2.4", "allow 192.0.2.0/24 198.51.100.0/24", "disallow 198.51.100.0/24",
	} {
		k.good("", strings.Fields(args)...)
	}
	before := k.seen()
	for _, want := range []string{"192.0.2.1 slot 5\n2001:db8::1 slot 2\n192.0.2.3 192.0.2.1\n192.0.2.0/24\n2001:db8::/32\n", "2.5", "drained", "saved in " + k.key} {
		if !strings.Contains(before, want) {
			t.Errorf("no %q in %s", want, before)
		}
	}
	for range 2 {
		k.good("", "destroy")
		if r := k.init(); r.code != exitOK || !strings.Contains(r.stdout, "is ready: 6 slots") || !strings.Contains(r.stdout, "resize 4 takes them back") {
			t.Errorf("init: %+v", r)
		}
		if after := k.seen(); after != before {
			t.Errorf("got\n%s\nwant\n%s", after, before)
		}
	}
	// The unit is started again, with other slots, without the group's leaving.
	k.good("is ready: 7 slots", "init", "--slots", "7", "--key-file", k.key)
	k.good("", "destroy")
	k.good("is ready: 7 slots", "init", "--key-file", k.key)
}

// TestNotSaved holds that a change which the next boot will not know has an exit code of its own, and says what to do.
func TestNotSaved(t *testing.T) {
	k := keyedGroup(t)
	dir := filepath.Join(t.TempDir(), "later")
	k.key = filepath.Join(dir, "key")
	tryAgain := "not saved in " + k.key + ": open " + dir
	r := k.init()
	k.fails(exitNotSaved, tryAgain, r)
	if !strings.Contains(r.stdout, `is ready: 4 slots`) {
		t.Errorf("init: %+v", r)
	}
	for _, c := range [][2]string{
		{"drain 1", "devices moved"},
		{"alias 192.0.2.3 192.0.2.1", "is an address of"},
		{"unalias 192.0.2.3", "of its own"},
		{"allow 192.0.2.0/24", "are let in"},
		{"disallow 192.0.2.0/24", "no prefix is left"},
	} {
		r := k.do(strings.Fields(c[0])...)
		k.fails(exitNotSaved, "telcol: in effect, but "+tryAgain, r)
		if !strings.Contains(r.stdout, c[1]) || !strings.Contains(r.stderr, "telcol steering save --group g2 tries again") {
			t.Errorf("%s: %+v", c[0], r)
		}
	}
	k.good("NOT saved in "+k.key, "status")
	k.good(`"saved": false`, "status", "--json")
	k.fails(exitNotSaved, "telcol: "+tryAgain, k.do("save"))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	k.good("is saved in "+k.key, "save")
	k.good(`"saved": true`, "status", "--json")
	before := k.seen()
	k.good("", "destroy")
	if r := k.init(); r.code != exitOK || k.seen() != before {
		t.Errorf("init: %+v", r)
	}
}

// TestKeyFile tells what is wrong with a key file and what to do about it.
func TestKeyFile(t *testing.T) {
	k := keyedGroup(t)
	k.good("is ready", "init", "--slots", "4")
	k.good("saved nowhere", "status")
	k.fails(exitUsage, `steering group "g2" has no key file yet: name one`, k.do("save"))
	k.fails(exitUsage, "say it like this: telcol steering save [FILE]", k.do("save", "a", "b"))
	k.fails(exitUsage, "say it like this: telcol steering restore FILE", k.do("restore"))
	k.fails(exitRun, "file does not exist", k.do("restore", k.key))
	k.good("is saved in "+k.key, "save", k.key)
	if info, err := os.Stat(k.key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info, err)
	}
	k.good("", "drain", "3")
	copied, err := os.ReadFile(k.key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(k.key, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A copy from another host.
	k.good("", "undrain", "3")
	write(copied)
	k.fails(exitRun, "another plan than the group's, and telcol has not put it there: telcol steering restore --group g2 FILE", k.init())
	k.fails(exitNotSaved, "telcol steering save --group g2 replaces it, telcol steering restore --group g2 "+k.key+" takes what it holds", k.do("drain", "1"))
	k.good("devices would move", "restore", k.key, "--dry-run")
	k.good("devices moved", "restore", k.key)
	k.good("drained", "status")
	k.good("saved in "+k.key, "init", "--slots", "4", "--key-file", k.key)
	// A damaged one.
	write(copied[:len(copied)-40])
	moveAway := "move the file away, then telcol steering save --group g2 writes it anew"
	k.fails(exitNotSaved, moveAway, k.do("drain", "2"))
	k.fails(exitNotSaved, moveAway, k.do("save"))
	damaged := k.key + ": not a whole key file: it has no sha256 as its last line: cut short?: put a good copy in its place, or move it away"
	k.fails(exitUsage, damaged, k.init())
	k.fails(exitUsage, damaged, k.do("restore", k.key))
	if err := os.Rename(k.key, k.key+".bad"); err != nil {
		t.Fatal(err)
	}
	k.good("is saved in "+k.key, "save")
	k.good("", "destroy")
	write(copied[:len(copied)-40])
	k.fails(exitUsage, damaged, k.init())
	k.fails(exitRun, "no such steering group", k.do("status"))
	// Another group's.
	write(copied)
	k.good("", "init", "--slots", "4")
	k.fails(exitRun, k.key+": the group has another key than the key file: name another file", k.init())
	k.fails(exitRun, "the group has another key than the key file", k.do("restore", k.key))
	k.fails(exitNotSaved, "it is another group's: name another file, telcol steering save --group g2 FILE", k.do("save", k.key))
	k.good("saved nowhere", "status")
}
