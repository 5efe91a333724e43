package demo

import (
	"errors"
	"net"
	"net/netip"
)

// ports are the free ones that the demo found on loopback.
type ports struct {
	ipfix, bmp netip.AddrPort
	http       []netip.AddrPort // of the workers
}

// findPorts looks for free ports. All are held at a time, so that none is found twice; somebody may take one before its worker does,
// which then says so.
func findPorts(workers int) (*ports, error) {
	var held []interface{ Close() error }
	defer func() {
		for _, h := range held {
			h.Close()
		}
	}()
	loopback := net.IPv4(127, 0, 0, 1)
	udp, flows, err := findBoth(loopback)
	if err != nil {
		return nil, err
	}
	held = append(held, udp, flows)
	p := &ports{ipfix: udp.LocalAddr().(*net.UDPAddr).AddrPort()}
	for range workers + 1 {
		tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: loopback})
		if err != nil {
			return nil, err
		}
		held = append(held, tcp)
		p.http = append(p.http, tcp.Addr().(*net.TCPAddr).AddrPort())
	}
	p.bmp, p.http = p.http[0], p.http[1:]
	if len(p.http) != workers {
		return nil, errors.New("no free ports")
	}
	return p, nil
}

// findBoth finds a port that is free for UDP and for TCP, since IPFIX has one for both.
func findBoth(at net.IP) (*net.UDPConn, *net.TCPListener, error) {
	const tries = 32
	for try := 1; ; try++ {
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: at})
		if err != nil {
			return nil, nil, err
		}
		tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: at, Port: udp.LocalAddr().(*net.UDPAddr).Port})
		if err == nil {
			return udp, tcp, nil
		}
		udp.Close()
		if try == tries {
			return nil, nil, err
		}
	}
}
