package endtoend

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

// TestAllowListEndsSessions takes a router off the list of allowed sources: its sessions end, those of another one stay, and it cannot come
// back before it is let in again.
func TestAllowListEndsSessions(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	g := startGroup(t, 2, "--sink", "stdout")
	const stays, goes = "127.66.1.1", "127.66.1.2"
	dial := func(from, to string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.DialContext(t.Context(), "tcp", to)
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return c, err
	}
	var conns []net.Conn
	for _, from := range []string{stays, goes} {
		for to, say := range map[string][]byte{g.bmp: routesOf(64500), g.ipfix: flowOf(t, 1)} {
			c, err := dial(from, to)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(say); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
	}
	daemons.Eventually(t, "routes and flows", func() error {
		routes, flows := g.sum(t, "telcol_rib_routes"), g.sum(t, "telcol_intake_stream_messages_total")
		if routes != 2 || flows != 2 {
			return fmt.Errorf("%v routes, %v messages", routes, flows)
		}
		return nil
	})
	daemons.Telcol(t, "steering", "allow", "--group", g.name, stays)
	for _, c := range conns[2:] {
		c.SetReadDeadline(time.Now().Add(daemons.Patience))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a session of %s with %s goes on: %v", goes, c.RemoteAddr(), err)
		}
	}
	const reason = "not-allowed"
	daemons.Eventually(t, "the ends to be counted", func() error {
		bmp := g.sum(t, "telcol_bmp_sessions_ended_total", "reason", reason)
		ipfix := g.sum(t, "telcol_ipfix_connections_ended_total", "reason", reason)
		left := g.sum(t, "telcol_bmp_sessions") + g.sum(t, "telcol_ipfix_connections")
		if bmp != 1 || ipfix != 1 || left != 2 {
			return fmt.Errorf("%v and %v ended, %v left", bmp, ipfix, left)
		}
		return nil
	})
	for _, c := range conns[:2] {
		c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a session of %s with %s: %v", stays, c.RemoteAddr(), err)
		}
	}
	if _, err := dial(goes, g.bmp); err == nil {
		t.Errorf("%s came back", goes)
	}
	daemons.Telcol(t, "steering", "allow", "--group", g.name, goes)
	if _, err := dial(goes, g.bmp); err != nil {
		t.Errorf("%s is let in again: %v", goes, err)
	}
	g.stop(t)
}
