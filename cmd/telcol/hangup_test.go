package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTakesHangup(t *testing.T) {
	for _, c := range []struct {
		args     string
		terminal bool
		want     bool
	}{
		{"supervise --slots 4", false, true},
		{"supervise --slots 4", true, true},
		{"worker --slot 0", false, true},
		{"worker --slot 0", true, false},
		{"demo", false, false},
		{"", false, false},
	} {
		if got := takesHangup(strings.Fields(c.args), c.terminal); got != c.want {
			t.Errorf("%q, terminal %v: got %v", c.args, c.terminal, got)
		}
	}
}

func TestSuccessorArgs(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"worker --slot 0", "worker --slot 0 --takeover"},
		{"worker --slot 0 --takeover", "worker --slot 0 --takeover"},
		{"worker --takeover=false --slot 0", "worker --slot 0 --takeover"},
		{"worker --evict --slot 0", "worker --slot 0 --takeover"},
	} {
		args := strings.Fields(c.args)
		if got := strings.Join(successorArgs(args), " "); got != c.want {
			t.Errorf("%s: got %s", c.args, got)
		}
		if got := strings.Join(args, " "); got != c.args {
			t.Errorf("%s became %s", c.args, got)
		}
	}
}

func TestReplaceable(t *testing.T) {
	for _, c := range []struct {
		name        string
		pid, parent int
		environ     string
		want        string
	}{
		{"container", 1, 0, "", "telcol supervise"},
		{"supervised", 20, 10, "SUPERVISOR_PID=10 NOTIFY_SOCKET=@1", "send SIGHUP to process 10"},
		{"environment of a supervisor's worker", 30, 20, "SUPERVISOR_PID=10", ""},
		{"systemd", 20, 1, "NOTIFY_SOCKET=/run/systemd/notify", ""},
		{"systemd that is not told", 20, 1, "", "Type=notify"},
		{"shell", 20, 10, "", ""},
	} {
		err := replaceable(c.pid, c.parent, strings.Fields(c.environ))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// envOwnProgram has the test binary print what ownProgram gives.
const envOwnProgram = "TELCOL_TEST_OWN_PROGRAM"

// TestOwnProgram calls a copy of this binary by several names.
func TestOwnProgram(t *testing.T) {
	if os.Getenv(envOwnProgram) != "" {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the file has been replaced
		path, err := ownProgram()
		if err != nil {
			t.Fatal(err)
		}
		os.Stderr.WriteString("own program: " + path + "\n")
		return
	}
	dir := t.TempDir()
	version, link := filepath.Join(dir, "telcol-1"), filepath.Join(dir, "telcol")
	copyFile(t, "/proc/self/exe", version)
	if err := os.Symlink(version, link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, argv0 string
		replaced    bool
		want        string
	}{
		{"file", version, false, version},
		{"link", link, false, link},
		{"in the working directory", "./telcol", false, link},
		{"another name", "telcol-that-is-not-on-the-path", false, version},
		{"replaced since", link, true, version},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), version, "-test.run=^TestOwnProgram$")
			cmd.Args[0], cmd.Dir = c.argv0, dir
			cmd.Env = append(os.Environ(), envOwnProgram+"=1")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			cmd.Stderr = &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if c.replaced {
				copyFile(t, "/proc/self/exe", version+".new")
				if err := os.Rename(version+".new", version); err != nil {
					t.Fatal(err)
				}
			}
			in.Close()
			if err := cmd.Wait(); err != nil || !slices.Contains(strings.Split(out.String(), "\n"), "own program: "+c.want) {
				t.Errorf("got %s(%v), want %s", out.String(), err, c.want)
			}
		})
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o700); err != nil {
		t.Fatal(err)
	}
}
