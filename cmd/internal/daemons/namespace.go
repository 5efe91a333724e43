package daemons

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Variables from a test to its copy in a namespace. They do not begin with TELCOL_, which workers would refuse.
const (
	envBinary    = "DAEMONS_BINARY"
	envNamespace = "DAEMONS_NAMESPACE"
)

// runDir is where workers have their sockets that are not told another place.
const runDir = "/run/telcol"

// InNamespace runs the rest of the test in a copy of the test process that has its own network, mount and process id
// namespaces, with bpffs and an empty /run/telcol mounted and the addresses on the loopback interface. It returns true in the copy and false in the
// test itself, which then has the copy's result and is to return. It needs root and is not for subtests.
func InNamespace(t *testing.T, addrs ...string) bool {
	t.Helper()
	if os.Getenv(envNamespace) == t.Name() {
		setUpNamespace(t, addrs)
		return true
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=30m")
	cmd.Env = append(os.Environ(), envNamespace+"="+t.Name(), envBinary+"="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	t.Logf("in its own namespace:\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatal("the test did not run in its namespace")
	}
	return false
}

func setUpNamespace(t *testing.T, addrs []string) {
	t.Helper()
	mount := func(source, target, kind string, flags uintptr) {
		if err := syscall.Mount(source, target, kind, flags, ""); err != nil {
			t.Fatalf("mount %s on %s: %v", kind, target, err)
		}
	}
	mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE)
	mount("proc", "/proc", "proc", 0)
	mount("bpf", "/sys/fs/bpf", "bpf", 0)
	// Workers of other tests, and those of this host, have the sockets of their slots there, by the names of their groups.
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		t.Fatal(err)
	}
	mount("tmpfs", runDir, "tmpfs", 0)
	Run(t, "ip", "link", "set", "lo", "up")
	for _, a := range addrs {
		if strings.Contains(a, ":") {
			Run(t, "ip", "-6", "addr", "add", a+"/128", "dev", "lo", "nodad")
		} else {
			Run(t, "ip", "addr", "add", a+"/32", "dev", "lo")
		}
	}
}
