package record

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/telcol/telcol/bmp"
	"github.com/telcol/telcol/bmp/bgp"
)

const eventsGolden = "testdata/events.json"

// TestEventsGolden writes each kind of event once; -update rewrites the file.
func TestEventsGolden(t *testing.T) {
	e := newEventEncoder()
	var got []byte
	for _, ev := range everyEvent() {
		got = append(ev.write(e, got), '\n')
	}
	if *update {
		if err := os.WriteFile(eventsGolden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(eventsGolden)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range max(len(gotLines), len(wantLines)) {
		if i >= len(gotLines) || i >= len(wantLines) || !bytes.Equal(gotLines[i], wantLines[i]) {
			t.Fatalf("line %d differs (run with -update and read the diff)\n%s", i+1, got)
		}
	}
}

// TestEventsAreOneObjectEach checks that each event is one JSON object on one line, that the numbers of events grow by one, and that
// what it shares with the event before has not been mixed up.
func TestEventsAreOneObjectEach(t *testing.T) {
	e := newEventEncoder()
	for range 2 {
		for _, ev := range everyEvent() {
			before := e.Seq()
			b := ev.write(e, nil)
			got := decode(t, b)
			want := before + 1
			if ev.name == "gap" {
				want += 5
			}
			if got["seq"] != json.Number(strconv.FormatUint(want, 10)) || e.Seq() != want {
				t.Errorf("%s: seq %v, encoder %d, want %d", ev.name, got["seq"], e.Seq(), want)
			}
			if bytes.ContainsAny(b, "\n\r") || !bytes.HasPrefix(b, []byte(`{"type":"bmp","schema":1,`)) {
				t.Errorf("%s: %s", ev.name, b)
			}
			// Alone in a session of its own it says the same.
			lone := newEventEncoder()
			lone.Skip(before)
			if alone := ev.write(lone, nil); !bytes.Equal(alone, b) {
				t.Errorf("%s:\n%s alone, behind others\n%s", ev.name, alone, b)
			}
		}
	}
}

// TestEventKeysAreUnique guards against a field that is written twice, which decoding would hide.
func TestEventKeysAreUnique(t *testing.T) {
	e := newEventEncoder()
	for _, ev := range everyEvent() {
		dec := json.NewDecoder(bytes.NewReader(ev.write(e, nil)))
		var seen []string
		depth, key := 0, false
		for {
			tok, err := dec.Token()
			if err != nil {
				break
			}
			if d, ok := tok.(json.Delim); ok {
				if strings.ContainsRune("{[", rune(d)) {
					depth++
				} else {
					depth--
				}
				key = depth == 1
				continue
			}
			if depth == 1 && key {
				if name := tok.(string); slices.Contains(seen, name) {
					t.Errorf("%s: %s twice", ev.name, name)
				} else {
					seen = append(seen, name)
				}
			}
			key = depth == 1 && !key
		}
	}
}

// TestRouteEventsDoNotAllocate holds the promise for the routes of a dump.
func TestRouteEventsDoNotAllocate(t *testing.T) {
	e := newEventEncoder()
	attrs := [2]*bgp.Attributes{everyAttribute(), everyAttribute()}
	msg := &bmp.RouteMonitoring{Peer: locPeer}
	buf := make([]byte, 0, 8192)
	n := 0
	avg := testing.AllocsPerRun(1000, func() {
		n++
		msg.Time = eventTime + int64(n)*1e9
		e.Arrived(eventTime + int64(n))
		e.Routes(msg)
		buf = e.AppendWithdraw(buf[:0], &routeV6)
		buf = e.AppendUpdate(buf[:0], &routeV6, attrs[n%2])
		buf = e.AppendUpdate(buf[:0], &routeVPN, attrs[n%2])
		buf = e.AppendEndOfRIB(buf[:0], bgp.IPv4VPN)
	})
	if avg != 0 {
		t.Errorf("%v allocations", avg)
	}
}
