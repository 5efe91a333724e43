package steering

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var bg = context.Background()

// patience is how long these tests wait for an answer: a machine may be busy, and one that passes waits for none of it.
const patience = 2 * time.Minute

// lastPort hands each test ports of its own.
var lastPort atomic.Uint32

func freePort() uint16 { return uint16(20000 + lastPort.Add(1)) }

// newGroup creates a group with a UDP and a TCP listener on one port, which it
// returns, and destroys it with the test.
func newGroup(t testing.TB, slots int) (*Group, uint16) {
	t.Helper()
	needLive(t)
	port := freePort()
	name := fmt.Sprintf("test-%d", port)
	g, err := Init(t.Context(), Options{
		Name: name, Slots: slots, Listeners: []Listener{{UDP, port}, {TCP, port}},
	})
	if err != nil {
		t.Fatalf("init: %v", err)
	}
	t.Cleanup(func() {
		g.Close()
		if err := Destroy(bg, "", name, DestroyOptions{EvenIfBusy: true}); err != nil && !errors.Is(err, ErrNoGroup) {
			t.Errorf("destroy: %v", err)
		}
	})
	return g, port
}

func anyAddr(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.IPv6Unspecified(), port) }

// target is where a device sends to. With IPv6 that is its own address: a reply
// from a socket bound to [::] has to come from where the device sent to.
func target(device netip.Addr, port uint16) netip.AddrPort {
	if device.Is4() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	}
	return netip.AddrPortFrom(device, port)
}

// place is an in-process worker: the sockets of one slot.
type place struct {
	udp   *net.UDPConn
	tcp   *net.TCPListener
	claim *Claim
}

// listen opens a worker's sockets without claiming the slot.
func listen(t testing.TB, g *Group, port uint16, slot int) *place {
	t.Helper()
	p := &place{}
	var err error
	if p.udp, err = g.ListenUDP(t.Context(), anyAddr(port), slot, ListenOptions{}); err != nil {
		t.Fatalf("slot %d: %v", slot, err)
	}
	t.Cleanup(func() { p.udp.Close() })
	if p.tcp, err = g.ListenTCP(t.Context(), anyAddr(port), slot, ListenOptions{}); err != nil {
		t.Fatalf("slot %d: %v", slot, err)
	}
	t.Cleanup(func() { p.tcp.Close() })
	return p
}

// join opens a worker's sockets and claims the slot.
func join(t testing.TB, g *Group, port uint16, slot int) *place {
	t.Helper()
	p := listen(t, g, port, slot)
	var err error
	if p.claim, err = g.Claim(t.Context(), slot, p.udp, p.tcp); err != nil {
		t.Fatalf("slot %d: %v", slot, err)
	}
	return p
}

// close ends the worker as an exit would.
func (p *place) close() {
	p.udp.Close()
	p.tcp.Close()
}

// send sends a datagram from the device. On loopback it has arrived, or was
// dropped, when send returns.
func send(t *testing.T, device netip.Addr, port uint16, payload string) {
	t.Helper()
	c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(device, 0)), net.UDPAddrFromAddrPort(target(device, port)))
	if err != nil {
		t.Fatalf("device %s: %v", device, err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(payload)); err != nil {
		t.Fatalf("device %s: %v", device, err)
	}
}

// received drains a UDP socket and returns how many datagrams came from each
// device.
func (p *place) received(t *testing.T) map[netip.Addr]int {
	t.Helper()
	from := map[netip.Addr]int{}
	buf := make([]byte, 2048)
	err := onSocket(p.udp, func(fd int) error {
		for {
			_, sa, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
			switch {
			case errors.Is(err, unix.EAGAIN):
				return nil
			case errors.Is(err, unix.EINTR):
			case err != nil:
				return err
			default:
				from[netip.AddrFrom16(sa.(*unix.SockaddrInet6).Addr).Unmap()]++
			}
		}
	})
	if err != nil {
		t.Fatalf("receive: %v", err)
	}
	return from
}

// dial connects from the device. The connection is in a listener's queue, or was
// refused, when dial returns.
func dial(device netip.Addr, port uint16) (net.Conn, error) {
	d := net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(device, 0)),
		Timeout:   patience,
	}
	return d.Dial("tcp", target(device, port).String())
}

// accepted empties the accept queue and returns the devices that were in it.
func (p *place) accepted(t *testing.T) map[netip.Addr]int {
	t.Helper()
	from := map[netip.Addr]int{}
	err := onSocket(p.tcp, func(fd int) error {
		for {
			nfd, sa, err := unix.Accept4(fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
			switch {
			case errors.Is(err, unix.EAGAIN):
				return nil
			case errors.Is(err, unix.EINTR):
			case err != nil:
				return err
			default:
				unix.Close(nfd)
				from[netip.AddrFrom16(sa.(*unix.SockaddrInet6).Addr).Unmap()]++
			}
		}
	})
	if err != nil {
		t.Fatalf("accept: %v", err)
	}
	return from
}
