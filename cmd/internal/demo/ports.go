package demo

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
)

// ports are the free ones that the demo found on loopback.
type ports struct {
	ipfix, bmp netip.AddrPort
	http       []netip.AddrPort // of the workers
}

// Ports are looked for below those that the kernel gives to connections (net.ipv4.ip_local_port_range): the demo opens some before its
// workers have theirs.
const (
	firstPort = 20_000
	manyPorts = 12_000
)

// findPorts looks for free ports. All are held at a time, so that none is found twice; somebody may take one before its worker does,
// which then says so.
func findPorts(workers int) (*ports, error) {
	var held []io.Closer
	defer func() {
		for _, h := range held {
			h.Close()
		}
	}()
	next := rand.IntN(manyPorts)
	find := func(datagrams bool) (netip.AddrPort, error) {
		err := errors.New("no free ports")
		for range manyPorts {
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(firstPort+next))
			next = (next + 1) % manyPorts
			var taken []io.Closer
			if taken, err = hold(at, datagrams); err == nil {
				held = append(held, taken...)
				return at, nil
			}
		}
		return netip.AddrPort{}, err
	}
	p := &ports{http: make([]netip.AddrPort, workers)}
	var err error
	if p.ipfix, err = find(true); err != nil {
		return nil, err
	}
	if p.bmp, err = find(false); err != nil {
		return nil, err
	}
	for i := range p.http {
		if p.http[i], err = find(false); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// hold takes a port for TCP, and for datagrams too if wanted, since IPFIX has one for both.
func hold(at netip.AddrPort, datagrams bool) ([]io.Closer, error) {
	tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	if !datagrams {
		return []io.Closer{tcp}, nil
	}
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		tcp.Close()
		return nil, err
	}
	return []io.Closer{tcp, udp}, nil
}
