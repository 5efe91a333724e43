package correlate

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"testing"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
)

// watcher writes down what an Observer is told, and what the owner had been given by then.
type watcher struct {
	batches chan *Batch
	told    []string
	flushed []int // batches that had been sent at each Flush
	sent    int
}

func (w *watcher) Message(m bmp.Message, err error) {
	switch {
	case err != nil:
		w.told = append(w.told, "refused")
	default:
		w.told = append(w.told, m.MessageType().String())
	}
}

func (w *watcher) Flush() {
	for len(w.batches) > 0 {
		(<-w.batches).Free()
		w.sent++
	}
	w.flushed = append(w.flushed, w.sent)
}

// TestFeedTellsObserver checks that an observer hears of every message in order, also of those refused and of the last one, and is
// asked to flush after the owner got each batch.
func TestFeedTellsObserver(t *testing.T) {
	peer := &bmp.Peer{Type: bmp.PeerLocRIB, Addr: netip.IPv4Unspecified(), BGPID: device1}
	stream := bmp.AppendInitiation(nil, &bmp.Initiation{SysName: "pe1"})
	stream = bmp.AppendRouteMonitoring(stream, peer, []bgp.NLRI{{Family: bgp.IPv4Unicast, Prefix: netip.MustParsePrefix("10.0.0.0/8")}}, nil, nil)
	stream = append(stream, 3, 0, 0, 0, 7, 2, 0) // a Peer Down without its per-peer header
	stream = append(stream, 3, 0, 0, 0, 12, 5, 0, 1, 0, 2, 0, 0)
	out := make(chan *Batch, 8)
	w := &watcher{batches: out}
	err := NewFeed(device1, FeedConfig{Observer: w}, out).Run(bytes.NewReader(stream))
	if !errors.Is(err, io.EOF) {
		t.Errorf("session ended with %v", err)
	}
	if want := []string{"initiation", "route-monitoring", "refused", "termination"}; !reflect.DeepEqual(w.told, want) {
		t.Errorf("told %q, want %q", w.told, want)
	}
	if want := []int{1, 2}; !reflect.DeepEqual(w.flushed, want) {
		t.Errorf("flushed with %d batches given over, want %d", w.flushed, want)
	}
}
