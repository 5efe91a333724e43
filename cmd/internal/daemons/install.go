package daemons

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// EnvRequire is the variable that forbids Require to skip when it is 1.
const EnvRequire = "TELCOL_REQUIRE_DAEMONS"

// packageOf names the Debian package of each program that tests start.
var packageOf = map[string]string{
	"ethtool":      "ethtool",
	"exabgp":       "exabgp",
	"gobgp":        "gobgpd",
	"gobgpd":       "gobgpd",
	"ip":           "iproute2",
	"nfcapd":       "nfdump",
	"nsenter":      "util-linux",
	"nfdump":       "nfdump",
	"ovs-ofctl":    "openvswitch-common",
	"ovs-vsctl":    "openvswitch-switch",
	"ovs-vswitchd": "openvswitch-switch",
	"ovsdb-server": "openvswitch-switch",
	"ovsdb-tool":   "openvswitch-switch",
	"pmacctd":      "pmacct",
	"softflowctl":  "softflowd",
	"softflowd":    "softflowd",
	"vtysh":        "frr",

	"/lib/systemd/systemd": "systemd",
	"/usr/lib/frr/bgpd":    "frr",
}

// Require makes sure that the programs are there and that the test is root, which namespaces and captures need: what is
// missing is installed. What cannot be had skips the test, or fails it when EnvRequire says so. Under -short it skips.
//
// Programs are named as exec.Command takes them; packageOf must know them.
func Require(t *testing.T, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: starts daemons")
	}
	RequireRoot(t, EnvRequire, "needs root for daemons in a namespace of their own")
	if os.Getenv(envNamespace) != "" {
		return // the copy's parent has looked
	}
	packages, err := missing(programs)
	if err == nil && len(packages) > 0 {
		t.Logf("installing %s", strings.Join(packages, ", "))
		err = install(t, packages)
	}
	if err == nil {
		if packages, err = missing(programs); err == nil && len(packages) > 0 {
			err = fmt.Errorf("still missing after installing: %s", strings.Join(packages, ", "))
		}
	}
	if err != nil {
		Skip(t, EnvRequire, err.Error())
	}
}

// RequireRoot skips a test that is not run by root, or fails it when the variable says that nothing may be skipped.
func RequireRoot(t *testing.T, variable, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, variable, why)
	}
}

// Skip skips a test, or fails it when the variable says that nothing may be skipped.
func Skip(t *testing.T, variable, why string) {
	t.Helper()
	if os.Getenv(variable) == "1" {
		t.Fatalf("%s, and %s=1 forbids to skip", why, variable)
	}
	t.Skip(why)
}

// missing returns the packages of those programs that are not there.
func missing(programs []string) ([]string, error) {
	var packages []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		pkg := packageOf[p]
		if pkg == "" {
			return nil, fmt.Errorf("%s is not here", p)
		}
		packages = append(packages, pkg)
	}
	return packages, nil
}

// install installs Debian packages, one test process at a time, and keeps their services from starting.
func install(t *testing.T, packages []string) error {
	t.Helper()
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("not here: %s (and no apt-get to install it)", strings.Join(packages, ", "))
	}
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "telcol-daemons.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	allow, err := denyServices("/usr/sbin/policy-rc.d")
	if err != nil {
		return err
	}
	defer allow()
	// The lists may be old or absent, which only an attempt shows.
	if err := aptGet(t, append([]string{"install", "-y", "--no-install-recommends"}, packages...)...); err == nil {
		return nil
	}
	if err := aptGet(t, "update"); err != nil {
		return err
	}
	return aptGet(t, append([]string{"install", "-y", "--no-install-recommends"}, packages...)...)
}

func aptGet(t *testing.T, args ...string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "apt-get", append([]string{"-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=5"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// denyServices puts Debian's hook in place that packages ask before they start a service, unless the machine has one.
func denyServices(hook string) (allow func(), err error) {
	f, err := os.OpenFile(hook, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if os.IsExist(err) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.WriteString("#!/bin/sh\nexit 101\n"); err != nil {
		os.Remove(hook)
		return nil, err
	}
	return func() { os.Remove(hook) }, nil
}
