package endtoend

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

// The network of the test of several hosts: a namespace with all devices, the router, which is the test's own namespace, and hosts.
//
//	devices ── d0 router h1 ── host 1
//	                     h2 ── host 2
//	                     h3 ── host 3
const (
	ecmpDevices = 200 // of each family
	ecmpHosts   = 3
	ecmpPort    = 4000 // of the listeners that stand for collectors
)

var (
	collector4 = netip.MustParseAddr("192.0.2.53")
	collector6 = netip.MustParseAddr("2001:db8::53")
)

// ecmpDevice gives a device's address.
func ecmpDevice(i int, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0: 0xfd, 1: 0xde, 13: byte(i / 16), 15: byte(1 + i%16)})
	}
	return netip.AddrFrom4([4]byte{10, 200, byte(i / 250), byte(1 + i%250)})
}

// collectorOf gives the address that a device sends to.
func collectorOf(device netip.Addr) netip.Addr {
	if device.Is4() {
		return collector4
	}
	return collector6
}

// within runs f on a thread in a network namespace: sockets that it opens and processes that it starts belong there.
func within(t *testing.T, name string, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	there, err := os.Open(filepath.Join("/run/netns", name))
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(err) // the thread must not go on in there
		}
	}()
	f()
}

// batch runs commands of ip, in a namespace unless that is "".
func batch(t *testing.T, namespace string, commands ...string) {
	t.Helper()
	args := []string{"-batch", "-"}
	if namespace != "" {
		args = []string{"-n", namespace, "-batch", "-"}
	}
	cmd := exec.CommandContext(t.Context(), "ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ip in %q: %v\n%s", namespace, err, out)
	}
}

// setSysctl writes a setting of the namespace that the test is in.
func setSysctl(t *testing.T, name, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644); err != nil {
		t.Fatal(err)
	}
}

// needResilient skips a test where the kernel has no resilient groups of nexthops.
func needResilient(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `ip link set lo up && ip nexthop add id 1 dev lo && ip nexthop add id 2 group 1 type resilient buckets 4 &&
		sysctl -qw net.ipv4.fib_multipath_hash_policy=3 && sysctl -qw net.ipv6.fib_multipath_hash_policy=3`)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if out, err := cmd.CombinedOutput(); err != nil {
		daemons.Skip(t, "TELCOL_REQUIRE_BPF", fmt.Sprintf("no nexthop groups with a hash of chosen fields here: %s: %s", fmt.Sprint(err), bytes.TrimSpace(out)))
	}
}

func hostName(i int) string { return fmt.Sprintf("host%d", i) }

// buildNetwork makes the namespaces, and gives the hosts to the router's script.
func buildNetwork(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		t.Fatal(err)
	}
	// Names of namespaces that nobody else sees, and that are gone with the test.
	if err := unix.Mount("tmpfs", "/run/netns", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	setSysctl(t, "ipv4/ip_forward", "1")
	setSysctl(t, "ipv6/conf/all/forwarding", "1")
	join(t, "devices", "d0", 0)
	addrs := []string{}
	for i := range ecmpDevices {
		addrs = append(addrs, fmt.Sprintf("addr add %s/32 dev lo", ecmpDevice(i, false)), fmt.Sprintf("addr add %s/128 dev lo nodad", ecmpDevice(i, true)))
	}
	batch(t, "devices", addrs...)
	batch(t, "", "route add 10.200.0.0/16 via 10.0.0.2", "route add fdde::/32 via fd00::2")
	for i := 1; i <= ecmpHosts; i++ {
		join(t, hostName(i), fmt.Sprintf("h%d", i), i)
		batch(t, hostName(i), fmt.Sprintf("addr add %s/32 dev lo", collector4), fmt.Sprintf("addr add %s/128 dev lo nodad", collector6))
		router(t, "host", fmt.Sprint(i), fmt.Sprintf("h%d", i), fmt.Sprintf("10.0.%d.2", i), fmt.Sprintf("fd00:0:0:%d::2", i))
	}
	router(t, "group", "1", "2")
	router(t, "route", collector4.String()+"/32", collector6.String()+"/128")
}

// join makes a namespace and a link to it.
func join(t *testing.T, namespace, device string, number int) {
	t.Helper()
	batch(t, "", "netns add "+namespace)
	noDAD := func() { setSysctl(t, "ipv6/conf/default/accept_dad", "0") } // addresses can be used at once
	noDAD()
	within(t, namespace, noDAD)
	batch(t, "",
		fmt.Sprintf("link add %s type veth peer name eth0 netns %s", device, namespace),
		fmt.Sprintf("addr add 10.0.%d.1/24 dev %s", number, device),
		fmt.Sprintf("addr add fd00:0:0:%d::1/64 dev %s nodad", number, device),
		fmt.Sprintf("link set %s up", device))
	batch(t, namespace,
		"link set lo up",
		fmt.Sprintf("addr add 10.0.%d.2/24 dev eth0", number),
		fmt.Sprintf("addr add fd00:0:0:%d::2/64 dev eth0 nodad", number),
		"link set eth0 up",
		fmt.Sprintf("route add default via 10.0.%d.1", number),
		fmt.Sprintf("route add default via fd00:0:0:%d::1", number))
}

// router calls the script that deploy/ecmp has for Linux routers.
func router(t *testing.T, args ...string) {
	t.Helper()
	daemons.Run(t, "../../../deploy/ecmp/router.sh", args...)
}

// arrivals are what reached hosts: for each device and protocol how many datagrams or connections at which host.
type arrivals struct {
	mu   sync.Mutex
	seen map[netip.Addr]*[ecmpHosts + 1]int
	n    int
}

func (a *arrivals) note(from net.Addr, host int) {
	ap, err := netip.ParseAddrPort(from.String())
	if err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	device := ap.Addr().Unmap()
	if a.seen[device] == nil {
		a.seen[device] = new([ecmpHosts + 1]int)
	}
	a.seen[device][host]++
	a.n++
}

func (a *arrivals) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen, a.n = make(map[netip.Addr]*[ecmpHosts + 1]int), 0
}

func (a *arrivals) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.n
}

// listenOn stands for the collector on a host until the test ends.
func (a *arrivals) listenOn(t *testing.T, host int) {
	t.Helper()
	for _, addr := range []netip.Addr{collector4, collector6} {
		var (
			udp *net.UDPConn
			tcp *net.TCPListener
			err error
		)
		within(t, hostName(host), func() {
			if udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, ecmpPort))); err == nil {
				tcp, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, ecmpPort)))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { udp.Close(); tcp.Close() })
		go func() {
			for buf := make([]byte, 2048); ; {
				_, from, err := udp.ReadFrom(buf)
				if err != nil {
					return
				}
				a.note(from, host)
			}
		}()
		go func() {
			for {
				c, err := tcp.Accept()
				if err != nil {
					return
				}
				a.note(c.RemoteAddr(), host)
				c.Close()
			}
		}()
	}
}

// hostOf gives the one host that a device reached, 0 if it reached several.
func (a *arrivals) hostOf(device netip.Addr) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := 0
	for host, n := range a.seen[device] {
		switch {
		case n > 0 && one != 0:
			return 0
		case n > 0:
			one = host
		}
	}
	return one
}
