package collector

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/telcol/telcol/collector/takeover"
)

// spoolTaker is the owner of a worker without a group.
func spoolTaker(t testing.TB) *core {
	t.Helper()
	w := newWorker(Default(), Env{Stdout: io.Discard, Log: slog.New(slog.DiscardHandler)})
	c, err := newCore(&w.cfg, nil, nil, nil, w.warn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSpooled(t *testing.T) {
	src := netip.MustParseAddrPort("192.0.2.1:4739")
	whole := appendSpooled(nil, src, 1e18, []byte("no message"), false)
	whole = appendSpooled(whole, netip.MustParseAddrPort("[2001:db8::1]:9"), 1e18+1, bytes.Repeat([]byte{9}, 65507), false)
	whole = appendSpooled(whole, src, 1e18+2, nil, true)
	c := spoolTaker(t)
	n, err := c.takeSpooled(whole)
	if err != nil || n != 3 || c.counted.datagrams != 3 || c.counted.bytes != 10+65507 || c.counted.truncated != 1 || c.now != 1e18+2 {
		t.Errorf("%d datagrams, %v, counted %+v", n, err, c.counted)
	}
	for _, cut := range []int{1, spoolHeader - 1, spoolHeader, len(whole) - 1} {
		if _, err := spoolTaker(t).takeSpooled(whole[:cut]); !errors.Is(err, takeover.ErrFrame) {
			t.Errorf("%d octets: got error %v, want %v", cut, err, takeover.ErrFrame)
		}
	}
}

// FuzzSpooled reads and writes again: what is read is whole.
func FuzzSpooled(f *testing.F) {
	f.Add(appendSpooled(nil, netip.MustParseAddrPort("192.0.2.1:4739"), 1e18, []byte("octets"), false))
	f.Add(appendSpooled(nil, netip.MustParseAddrPort("[2001:db8::1]:4739"), -1, nil, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		n, err := eachSpooled(b, func(src netip.AddrPort, at int64, payload []byte, truncated bool) {
			again = appendSpooled(again, src, at, payload, truncated)
		})
		if len(again) > len(b) || n > 0 && len(again) == 0 || err == nil && len(again) != len(b) {
			t.Fatalf("%d datagrams, %d of %d octets, %v", n, len(again), len(b), err)
		}
	})
}
