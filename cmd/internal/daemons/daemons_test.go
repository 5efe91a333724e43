package daemons

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// TestNamespace looks at what a test finds in its namespace, and that a daemon that went to the background dies with it.
func TestNamespace(t *testing.T) {
	RequireRoot(t, EnvRequire, "needs root for a namespace")
	if testing.Short() {
		t.Skip("-short: builds telcol")
	}
	if !InNamespace(t, "192.0.2.77", "2001:db8::77") {
		return
	}
	if os.Getpid() != 1 {
		t.Errorf("process id %d, want 1", os.Getpid())
	}
	for _, a := range []string{"192.0.2.77", "2001:db8::77"} {
		if !strings.Contains(Run(t, "ip", "-brief", "addr", "show", "dev", "lo"), a+"/") {
			t.Errorf("%s is not on lo", a)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || !strings.Contains(string(mounts), " /run/telcol ") {
		t.Errorf("the sockets of workers are where those of others are: %v\n%s", err, mounts)
	}
	if out := Telcol(t, "version"); !strings.HasPrefix(out, "telcol") {
		t.Errorf("telcol version prints %q", out)
	}
	p := Start(t, "sh", "-c", "echo here; sleep 1000 & echo $! > /dev/stderr; wait")
	Eventually(t, "output", func() error {
		if strings.Count(p.Output(), "\n") < 2 {
			return os.ErrNotExist
		}
		return nil
	})
	if p.Err() != nil {
		t.Error(p.Err())
	}
	p.Kill()
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "killed") || !strings.Contains(err.Error(), "here") {
		t.Errorf("after Kill: %v", err)
	}
}

func TestMissing(t *testing.T) {
	if got, err := missing([]string{"sh", "/usr/lib/frr/bgpd-that-is-not"}); err == nil {
		t.Errorf("an unknown program gives packages %q and no error", got)
	}
	if got, err := missing([]string{"sh"}); err != nil || len(got) != 0 {
		t.Errorf("sh is missing: %q, %v", got, err)
	}
}

func TestDenyServices(t *testing.T) {
	hook := filepath.Join(t.TempDir(), "policy-rc.d")
	allow, err := denyServices(hook)
	if err != nil {
		t.Fatal(err)
	}
	again, err := denyServices(hook) // as where an administrator put one
	if err != nil {
		t.Fatal(err)
	}
	again()
	if info, err := os.Stat(hook); err != nil || info.Mode().Perm()&0o111 == 0 {
		t.Errorf("hook: %v, %v", info, err)
	}
	allow()
	if _, err := os.Stat(hook); !os.IsNotExist(err) {
		t.Errorf("the hook stays: %v", err)
	}
}

// TestEventuallyInCleanup waits in a cleanup, where the context of the test has ended.
func TestEventuallyInCleanup(t *testing.T) {
	tries := 0
	t.Cleanup(func() {
		Eventually(t, "the third try", func() error {
			if tries++; tries < 3 {
				return os.ErrNotExist
			}
			return nil
		})
	})
}

func TestUnanswered(t *testing.T) {
	for text, want := range map[string]bool{
		"# TYPE telcol_up gauge\ntelcol_up{slot=\"0\"} 0\nx 1\n": true,
		"telcol_up{slot=\"0\"} 1\ntelcol_upper{slot=\"0\"} 0\n":  false,
	} {
		if got := unanswered.MatchString(text); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}
