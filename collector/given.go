package collector

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// listenerKind says what a listener is for.
type listenerKind string

const (
	listenUDP   listenerKind = "udp"   // datagrams
	listenBMP   listenerKind = "bmp"   // BMP sessions
	listenFlows listenerKind = "flows" // IPFIX over TCP
	listenGlass listenerKind = "http"  // metrics, health and looking glass
)

// listenerName is a listener as it was configured.
type listenerName struct {
	Kind listenerKind `json:"kind"`
	Addr string       `json:"addr"`
}

// listenerText is a listener on the way to another process.
type listenerText struct {
	listenerName
	Dropped uint32 `json:"dropped,omitempty"` // datagrams that the worker before has counted, see intake.UDP.Dropped
}

// given are listeners that another process gave. A nil given has none. Each can be taken once.
type given struct {
	files   map[listenerName]*os.File
	dropped map[string]uint32 // by address of the datagrams
}

func (g *given) add(t listenerText, f *os.File) {
	if g.files == nil {
		g.files, g.dropped = make(map[listenerName]*os.File), make(map[string]uint32)
	}
	if old := g.files[t.listenerName]; old != nil {
		old.Close()
	}
	g.files[t.listenerName] = f
	if t.Kind == listenUDP {
		g.dropped[t.Addr] = t.Dropped
	}
}

// take gives the file of a listener, nil if there is none. It is the caller's to close.
func (g *given) take(n listenerName) *os.File {
	if g == nil {
		return nil
	}
	f := g.files[n]
	delete(g.files, n)
	return f
}

// close closes those that were not taken: their addresses are no longer configured.
func (g *given) close() (left []string) {
	if g == nil {
		return nil
	}
	for n, f := range g.files {
		left = append(left, string(n.Kind)+" "+n.Addr)
		f.Close()
	}
	g.files = nil
	return left
}

// udp also returns how many datagrams that the kernel dropped were counted.
func (g *given) udp(addr netip.AddrPort) (conn *net.UDPConn, dropped uint32, err error) {
	f := g.take(listenerName{listenUDP, addr.String()})
	if f == nil {
		return nil, 0, nil
	}
	defer f.Close()
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, 0, fmt.Errorf("socket %s that was given: %w", addr, err)
	}
	if u, ok := c.(*net.UDPConn); ok {
		return u, g.dropped[addr.String()], nil
	}
	c.Close()
	return nil, 0, fmt.Errorf("socket %s that was given is not one for datagrams", addr)
}

func (g *given) tcp(kind listenerKind, addr netip.AddrPort) (*net.TCPListener, error) {
	l, err := g.listener(listenerName{kind, addr.String()})
	if l == nil || err != nil {
		return nil, err
	}
	return l, nil
}

func (g *given) http(addr string) (net.Listener, error) {
	l, err := g.listener(listenerName{listenGlass, addr})
	if l == nil || err != nil {
		return nil, err
	}
	return l, nil
}

func (g *given) listener(n listenerName) (*net.TCPListener, error) {
	f := g.take(n)
	if f == nil {
		return nil, nil
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("listener %s that was given: %w", n.Addr, err)
	}
	if t, ok := l.(*net.TCPListener); ok {
		return t, nil
	}
	l.Close()
	return nil, fmt.Errorf("listener %s that was given is not one of TCP", n.Addr)
}

// namedListener is a listener on the way to another process.
type namedListener struct {
	listenerText
	socket syscall.Conn
}

// listeners names all listeners of a worker.
func (w *worker) listeners() (all []namedListener, err error) {
	flows, err := w.cfg.IPFIXAddrs()
	if err != nil {
		return nil, err
	}
	routes, err := w.cfg.BMPAddrs()
	if err != nil {
		return nil, err
	}
	for i, u := range w.sockets.udp {
		all = append(all, namedListener{listenerText{listenerName{listenUDP, flows[i].String()}, u.in.Dropped()}, u})
	}
	add := func(kind listenerKind, addr string, ln syscall.Conn) {
		all = append(all, namedListener{listenerText{listenerName: listenerName{kind, addr}}, ln})
	}
	for i, ln := range w.sockets.bmp {
		add(listenBMP, routes[i].String(), ln)
	}
	for i, ln := range w.sockets.flows {
		port := uint16(ln.Addr().(*net.TCPAddr).Port)
		add(listenFlows, netip.AddrPortFrom(flows[i].Addr(), port).String(), ln)
	}
	if w.http != nil {
		if ln, ok := w.http.ln.(*net.TCPListener); ok {
			add(listenGlass, w.cfg.HTTPAddr(), ln)
		}
	}
	return all, nil
}
