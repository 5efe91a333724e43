package collector

import (
	"io"
	"net"
	"net/netip"
	"os"

	"github.com/telcol/telcol/steering"
)

// answerDatagram answers a datagram of a self-test, see steering.Probe, and reports whether it is one. What is one is not device data.
func (w *worker) answerDatagram(src netip.AddrPort, payload []byte) bool {
	p, ok := steering.ParseProbe(payload)
	if !ok || !src.Addr().IsLoopback() {
		return false
	}
	for _, u := range w.sockets.udp {
		if u.LocalAddr().(*net.UDPAddr).AddrPort().Port() == p.Port {
			// An answer that is lost is a failure of the test.
			_, _ = u.WriteToUDPAddrPort(w.probeAnswer(p), src)
		}
	}
	return true
}

func (w *worker) probeAnswer(p steering.Probe) []byte {
	return steering.AppendAnswer(nil, steering.Answer{Probe: p, Slot: w.cfg.Slot, PID: os.Getpid()})
}

// answerConn answers a connection of a self-test and reports whether it was one. Else it returns the octets that it has read, with which
// the stream begins. Only connections of this host are looked at: their first octet decides.
func (w *worker) answerConn(conn net.Conn, from netip.Addr) (head []byte, probe bool) {
	if w.sockets.group == nil || !from.IsLoopback() {
		return nil, false
	}
	head = make([]byte, steering.ProbeSize)
	n, err := io.ReadFull(conn, head[:1])
	if err == nil && steering.MayBeProbe(head[0]) {
		var more int
		more, err = io.ReadFull(conn, head[1:])
		n += more
		if p, ok := steering.ParseProbe(head[:n]); ok && err == nil {
			w.probes.Add(1)
			_, _ = conn.Write(w.probeAnswer(p))
			return nil, true
		}
	}
	return head[:n], false
}
