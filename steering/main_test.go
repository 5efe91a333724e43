package steering

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Roles of this test binary beside that of the tests themselves.
const (
	envWorker = "TELCOL_TEST_STEERING_WORKER" // run as a worker, see worker_test.go
	envInside = "TELCOL_TEST_STEERING_INSIDE" // in our own namespaces already
)

// liveError says why tests with live traffic cannot run; nil where they can.
var liveError error

// TestMain runs the tests again inside a new network and mount namespace. A new
// process makes sure that every thread is inside.
func TestMain(m *testing.M) {
	if os.Getenv(envWorker) != "" {
		os.Exit(workerMain())
	}
	if os.Getenv(envInside) != "" {
		liveError = prepareNamespaces()
		os.Exit(m.Run())
	}
	code, err := runInside()
	if err != nil {
		liveError = err
		code = m.Run()
	}
	os.Exit(code)
}

// runInside returns an error if the namespaces cannot be had.
func runInside() (int, error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("not root")
	}
	// The signal at our death is bound to the thread that starts the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), envInside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("new namespaces: %w", err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 1, nil
	}
	return cmd.ProcessState.ExitCode(), nil
}

// needLive skips a test that needs BPF where there is none, or fails it when the
// environment forbids the skip.
func needLive(t testing.TB) {
	t.Helper()
	if liveError == nil {
		return
	}
	if os.Getenv("TELCOL_REQUIRE_BPF") == "1" {
		t.Fatalf("live steering: %v", liveError)
	}
	t.Skipf("live steering: %v", liveError)
}

// prepareNamespaces mounts a bpffs of our own, brings lo up, and gives it the
// IPv6 addresses of the devices; all of 127.0.0.0/8 is there anyway.
func prepareNamespaces() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := unix.Mount("bpf", systemBPFFS, "bpf", 0, "mode=0700"); err != nil {
		return fmt.Errorf("mount bpffs: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	for i := range devicesV6 {
		if err := addLoopbackAddr(deviceV6(i)); err != nil {
			return fmt.Errorf("address %s: %w", deviceV6(i), err)
		}
	}
	g, err := Init(bg, Options{Name: "probe", Slots: 1, Listeners: []Listener{{UDP, 1}}})
	if err != nil {
		return err
	}
	g.Close()
	return Destroy(bg, "", "probe", DestroyOptions{})
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}

func addLoopbackAddr(addr netip.Addr) error {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// struct in6_ifreq
	req := struct {
		addr   [16]byte
		prefix uint32
		index  int32
	}{addr.As16(), 128, int32(lo.Index)}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFADDR, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return errno
	}
	return nil
}

// devicesV6 is how many IPv6 devices lo has addresses for.
const devicesV6 = 250

// deviceV6 returns an address of a plan with sites and routers.
func deviceV6(i int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfd, 5: byte(i / 16), 15: byte(i%16 + 1)})
}

// deviceV4 returns one of 65000 loopback addresses.
func deviceV4(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 9, byte(i / 250), byte(i%250 + 1)})
}

// devices returns n addresses, half of them IPv6 as far as there are any.
func devices(n int) []netip.Addr {
	var all []netip.Addr
	for i := range n / 2 {
		all = append(all, deviceV4(i))
		if i < devicesV6 {
			all = append(all, deviceV6(i))
		}
	}
	return all
}
