package steering

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// The program in the kernel places as the published vectors say. No worker is
// there: the slot is read from the counters of what it dropped.
func TestKernelAgreesWithVectors(t *testing.T) {
	needLive(t)
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	tried := map[netip.Addr]int{}
	byGroup := map[string][]vector{}
	for _, v := range vectors {
		name := fmt.Sprintf("vectors-%s-%d", v.Key[:4], v.Slots)
		byGroup[name] = append(byGroup[name], v)
	}
	for name, vs := range byGroup {
		t.Run(name, func(t *testing.T) {
			port := freePort()
			var key Key
			if _, err := hex.Decode(key[:], []byte(vs[0].Key)); err != nil {
				t.Fatal(err)
			}
			g, err := Init(t.Context(), Options{Name: name, Slots: vs[0].Slots, Key: &key, Listeners: []Listener{{UDP, port}}})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			defer Destroy(bg, "", name, DestroyOptions{})
			member, err := g.ListenUDP(t.Context(), anyAddr(port), 0, ListenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer member.Close()
			before := make([]uint64, vs[0].Slots)
			for _, v := range vs {
				if !sendFrom(t, v.Addr, port) {
					continue // no packet can come from there
				}
				tried[v.Addr]++
				before[v.Slot]++
				c, err := g.Counters()
				if err != nil {
					t.Fatal(err)
				}
				for slot, n := range c[0].Slots {
					if n.Empty != before[slot] {
						t.Fatalf("%s: slot %d has %d, want %d; the vector says slot %d", v.Addr, slot, n.Empty, before[slot], v.Slot)
					}
				}
			}
		})
	}
	for _, a := range []string{"127.0.0.1", "192.0.2.1", "192.0.2.2", "198.51.100.77", "2001:db8::1", "2001:db8:1::1"} {
		if tried[netip.MustParseAddr(a)] != len(byGroup) {
			t.Errorf("%s was tried %d times, want %d", a, tried[netip.MustParseAddr(a)], len(byGroup))
		}
	}
}

// sendFrom sends a datagram from an address that this host need not have, and
// reports whether that is possible.
func sendFrom(t *testing.T, from netip.Addr, port uint16) bool {
	t.Helper()
	family, level, option := unix.AF_INET6, unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	to := netip.AddrPortFrom(deviceV6(0), port)
	if from.Is4() {
		family, level, option = unix.AF_INET, unix.SOL_IP, unix.IP_TRANSPARENT
		to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
		t.Fatal(err)
	}
	if from.IsUnspecified() || from.IsMulticast() || from == netip.AddrFrom4([4]byte{255, 255, 255, 255}) || from.IsLinkLocalUnicast() {
		return false
	}
	if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(from, 0))); err != nil {
		t.Fatalf("bind to %s: %v", from, err)
	}
	if err := unix.Sendto(fd, []byte("flow"), 0, sockaddr(to)); err != nil {
		t.Fatalf("send from %s: %v", from, err)
	}
	return true
}
