package glass

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
	"github.com/telcol/telcol/correlate"
	"github.com/telcol/telcol/ipfix"
)

// world is a looking glass over a correlator, whose owner does nothing but answer.
type world struct {
	*Glass
	corr *correlate.Correlator
	asks chan func()
	mux  *http.ServeMux
	log  *bytes.Buffer
	// between runs in the owner's goroutine after each slice; may be nil.
	between func()
}

func newWorld(t testing.TB) *world {
	t.Helper()
	corr, err := correlate.New(correlate.Config{}, func(*correlate.Record) {})
	if err != nil {
		t.Fatal(err)
	}
	x := &world{corr: corr, asks: make(chan func()), mux: http.NewServeMux(), log: new(bytes.Buffer)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for f := range x.asks {
			f()
		}
	}()
	t.Cleanup(func() { close(x.asks); <-done })
	now := func() time.Time { return time.Unix(1_800_000_060, 0) }
	x.Glass = New(Config{Slot: 3, Look: x.look, Now: now, Log: slog.New(slog.NewTextHandler(x.log, nil))})
	x.Register(x.mux)
	return x
}

func (x *world) look(ctx context.Context, f func(*correlate.Correlator)) error {
	done := make(chan struct{})
	select {
	case x.asks <- func() {
		defer close(done)
		f(x.corr)
		if x.between != nil {
			x.between()
		}
	}:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// play applies a BMP stream of a device and leaves its session open. It runs before there are requests, or in the owner's goroutine.
func (x *world) play(t testing.TB, device string, now int64, stream []byte) {
	out, feedEnds := make(chan *correlate.Batch), make(chan struct{})
	feed := correlate.NewFeed(netip.MustParseAddr(device), correlate.FeedConfig{Session: 1, Now: func() int64 { return now }}, out)
	silent, end := io.Pipe()
	go func() {
		defer close(feedEnds)
		_ = feed.Run(io.MultiReader(bytes.NewReader(stream), silent))
	}()
	want := x.corr.Counters().BMP.Messages()
	for rest := stream; len(rest) > 0; want++ {
		rest = rest[binary.BigEndian.Uint32(rest[1:]):]
	}
	for n := want - 1; n != want; n = x.corr.Counters().BMP.Messages() {
		b := <-out
		x.corr.Apply(b, now)
		b.Free()
	}
	t.Cleanup(func() {
		end.Close()
		<-out // the session's end, which nobody applies
		<-feedEnds
	})
}

// get asks for a page.
func (x *world) get(path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	x.mux.ServeHTTP(w, r)
	return w
}

// pageAndNext asks for a page that must be there and reads its JSON, in which nothing may be unknown, and the Link to the next page.
func pageAndNext[T any](t testing.TB, x *world, path string) (v T, link string) {
	t.Helper()
	w := x.get(path)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: status %d, %s", path, w.Code, w.Body)
	}
	dec := json.NewDecoder(w.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v, w.Header().Get("Link")
}

// cursors differ from run to run.
var cursors = regexp.MustCompile(`ey[0-9A-Za-z_-]{20,}`)

// indent gives JSON as lines.
func indent(t testing.TB, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", " "); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return strings.TrimSpace(out.String())
}

var (
	v4   = bgp.NewFamily(1, bgp.SAFIUnicast)
	v6   = bgp.NewFamily(2, bgp.SAFIUnicast)
	vpn4 = bgp.NewFamily(1, bgp.SAFIVPN)
)

func route(f bgp.Family, rd uint64, prefixes ...string) (list []bgp.NLRI) {
	for _, p := range prefixes {
		list = append(list, bgp.NLRI{Prefix: netip.MustParsePrefix(p), Family: f, RD: rd})
	}
	return list
}

func attrs(hop string, path ...uint32) *bgp.Attributes {
	return &bgp.Attributes{
		HasOrigin: true, HasASPath: true, ASPath: path, NextHop: netip.MustParseAddr(hop),
		Communities: []uint32{64500<<16 | 7}, HasMED: true, MED: 0, HasLocalPref: true, LocalPref: 150,
	}
}

func peerUp(b []byte, p *bmp.Peer, name string) []byte {
	open := bgp.Open{Version: 4, AS: p.AS, AS4: true, ID: p.BGPID, Families: []bgp.Family{v4, v6, vpn4}}
	sent := open
	sent.AS, sent.ID = 64500, netip.MustParseAddr("192.0.2.1")
	return bmp.AppendPeerUp(b, &bmp.PeerUp{
		Peer: *p, LocalAddr: netip.MustParseAddr("10.0.0.1"), LocalPort: 179, RemotePort: 4000, Sent: sent, Received: open, TableName: name,
	})
}

// pe1 is the stream of a device with two views of a peer, a VRF by its RD instance and VPN routes.
func pe1() []byte {
	pre := bmp.Peer{Addr: netip.MustParseAddr("10.0.0.2"), BGPID: netip.MustParseAddr("192.0.2.2"), AS: 65001, Time: 1_700_000_000e9}
	post, loc := pre, bmp.Peer{Type: bmp.PeerLocRIB, Distinguisher: 64500<<32 | 1, BGPID: netip.MustParseAddr("192.0.2.1"), Addr: netip.IPv4Unspecified(), AS: 64500, Time: 1_700_000_001e9}
	post.Flags = bmp.FlagPostPolicy
	b := bmp.AppendInitiation(nil, &bmp.Initiation{SysName: "pe1\x1b[31m"})
	b = peerUp(b, &pre, "")
	b = peerUp(b, &loc, "customer-a")
	b = bmp.AppendRouteMonitoring(b, &pre, nil, route(v4, 0, "10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24"), attrs("10.0.0.2", 65001, 65010))
	b = bmp.AppendRouteMonitoring(b, &pre, nil, route(v6, 0, "2001:db8::/32"), attrs("2001:db8::2", 65001))
	b = bmp.AppendRouteMonitoring(b, &pre, nil, route(vpn4, 64500<<32|2, "10.0.0.0/8"), attrs("10.0.0.2", 65001))
	b = bmp.AppendRouteMonitoring(b, &post, nil, route(v4, 0, "10.1.0.0/16"), attrs("10.0.0.2", 65001, 65010))
	b = bmp.AppendRouteMonitoring(b, &loc, nil, route(v4, 0, "10.1.0.0/16", "0.0.0.0/0"), attrs("10.0.0.3"))
	return bmp.AppendEndOfRIB(b, &post, v4)
}

// export gives the correlator what a device exports: over datagrams of IPFIX, with a gap, and of NetFlow v9, and over a connection.
func (x *world) export(t testing.TB, device string, now int64) {
	t.Helper()
	src := netip.MustParseAddr(device)
	give := func(s correlate.Stream, h ipfix.Header, fill func(b *ipfix.Builder)) {
		t.Helper()
		var b ipfix.Builder
		h.ExportTime = now
		b.Begin(nil, h)
		fill(&b)
		msg, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		if err := x.corr.StreamMessage(src, s, msg, now); err != nil {
			t.Fatal(err)
		}
	}
	flow := []ipfix.Field{{ID: 8, Len: 4}, {ID: 12, Len: 4}, {ID: 123, PEN: 29305, Len: 65535}, {ID: 1, Len: 8}}
	give(correlate.Stream{}, ipfix.Header{Version: ipfix.VersionIPFIX, Domain: 7}, func(b *ipfix.Builder) {
		b.Template(256, flow...)
		b.OptionsTemplate(257, ipfix.Field{ID: 234, Len: 4, Scope: true}, ipfix.Field{ID: 236, Len: 12}, ipfix.Field{ID: 90, Len: 8})
		b.OptionsTemplate(258, ipfix.Field{ID: 10, Len: 4, Scope: true}, ipfix.Field{ID: 82, Len: 8}, ipfix.Field{ID: 83, Len: 65535})
		b.Set(257)
		b.Uint(5, 4)
		b.Text("customer-b", 12)
		b.Uint(64500<<32|2, 8)
		b.Set(258)
		b.Uint(3, 4)
		b.Text("ge-0/0/3", 8)
		b.Variable([]byte("to pe2\x1b[31m"))
	})
	give(correlate.Stream{}, ipfix.Header{Version: ipfix.VersionIPFIX, Domain: 7, Sequence: 12}, func(b *ipfix.Builder) {
		b.OptionsTemplate(259, ipfix.Field{ID: 302, Len: 8, Scope: true}, ipfix.Field{ID: 304, Len: 2}, ipfix.Field{ID: 305, Len: 4},
			ipfix.Field{ID: 306, Len: 4}, ipfix.Field{ID: 335, Len: 8})
		b.OptionsTemplate(260, ipfix.Field{ID: 301, Len: 8, Scope: true}, ipfix.Field{ID: 302, Len: 8})
		b.OptionsTemplate(261, ipfix.Field{ID: 149, Len: 4, Scope: true}, ipfix.Field{ID: 160, Len: 8}, ipfix.Field{ID: 130, Len: 4},
			ipfix.Field{ID: 36, Len: 2}, ipfix.Field{ID: 37, Len: 2})
		b.Set(259)
		b.Uint(9, 8)
		b.Uint(1, 2)
		b.Uint(1, 4)
		b.Uint(999, 4)
		b.Text("sel-9", 8)
		b.Set(260)
		b.Uint(4, 8)
		b.Uint(9, 8)
		b.Set(261)
		b.Uint(7, 4)
		b.Uint(1_700_000_000_000, 8)
		b.Addr(netip.MustParseAddr("10.255.0.1"))
		b.Uint(60, 2)
		b.Uint(15, 2)
	})
	give(correlate.Stream{}, ipfix.Header{Version: ipfix.VersionNetFlow9, Domain: 0, Sequence: 1}, func(b *ipfix.Builder) {
		b.OptionsTemplate(300, ipfix.Field{ID: 1, Len: 4, Scope: true}, ipfix.Field{ID: 34, Len: 4}, ipfix.Field{ID: 35, Len: 1})
		b.Set(300)
		b.Uint(0, 4)
		b.Uint(512, 4)
		b.Uint(2, 1)
	})
	give(correlate.Stream{Conn: 4}, ipfix.Header{Version: ipfix.VersionIPFIX, Domain: 7}, func(b *ipfix.Builder) {
		b.Template(256, flow[:2]...)
		b.Set(256)
		for range 4 {
			b.Addr(netip.MustParseAddr("10.1.2.3"))
		}
		b.Set(400)
		b.Uint(1, 4)
	})
}

// drifted is the stream of a device that counts more routes than it tells, three times in a row.
func drifted() []byte {
	p := bmp.Peer{Addr: netip.MustParseAddr("10.0.0.7"), BGPID: netip.MustParseAddr("192.0.2.7"), AS: 65007, Time: 1_700_000_000e9}
	b := peerUp(nil, &p, "")
	b = bmp.AppendRouteMonitoring(b, &p, nil, route(v4, 0, "10.0.0.0/8", "10.1.0.0/16"), attrs("10.0.0.7", 65007))
	b = bmp.AppendEndOfRIB(b, &p, v4)
	for range 3 {
		b = bmp.AppendStatistics(b, &bmp.Statistics{Peer: p, Stats: []bmp.Statistic{{Type: bmp.StatAdjRIBInFamily, Family: v4, Value: 52}}})
	}
	return b
}
