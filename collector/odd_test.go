package collector

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// ipfixOf is a message of domain 7 with sets as they are given, whatever they are.
func ipfixOf(sets ...[]byte) []byte {
	msg := []byte{0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}
	binary.BigEndian.PutUint32(msg[4:], uint32(time.Now().Unix()))
	msg = append(msg, bytes.Join(sets, nil)...)
	binary.BigEndian.PutUint16(msg[2:], uint16(len(msg)))
	return msg
}

// v9Of is the same of NetFlow v9.
func v9Of(sets ...[]byte) []byte {
	msg := append([]byte{0, 9, 0, 1}, make([]byte, 16)...)
	binary.BigEndian.PutUint32(msg[8:], uint32(time.Now().Unix()))
	return append(msg, bytes.Join(sets, nil)...)
}

// words are octets, two for each number.
func words(n ...uint16) (b []byte) {
	for _, w := range n {
		b = binary.BigEndian.AppendUint16(b, w)
	}
	return b
}

// setOf is a set with its length, or with one that is told.
func setOf(id uint16, body []byte, length ...uint16) []byte {
	n := uint16(4 + len(body))
	if len(length) > 0 {
		n = length[0]
	}
	return append(words(id, n), body...)
}

// TestOddInput sends what no exporter should, and looks at what the counters say of each: one of them tells, and the worker goes on.
func TestOddInput(t *testing.T) {
	lost := func(stage, reason string) string {
		return `telcol_lost_total{reason="` + reason + `",,stage="` + stage + `"}`
	}
	template := func(result string) string { return `telcol_ipfix_templates_total{result="` + result + `",}` }
	version := func(v string) string { return `telcol_intake_version_total{,version="` + v + `"}` }
	const (
		dataRecords    = `telcol_ipfix_records_total{kind="data",}`
		optionsRecords = `telcol_ipfix_records_total{kind="options",}`
		held           = `telcol_ipfix_held_sets_total{result="held",}`
	)
	good := ipfixOf(setOf(2, words(256, 1, 1, 4)), setOf(256, words(0, 1)))
	r := startTest(t, func(c *Config) { c.Join.NewWait = 0 })
	since := func(was map[string]float64) map[string]float64 {
		t.Helper()
		changed := r.metrics(t)
		maps.DeleteFunc(changed, func(name string, v float64) bool {
			return v == was[name] || !strings.HasPrefix(name, "telcol_lost_total") && !strings.HasPrefix(name, "telcol_ipfix_records") &&
				!strings.HasPrefix(name, "telcol_ipfix_templates_total") && !strings.HasPrefix(name, "telcol_ipfix_held_sets_total") &&
				!strings.HasPrefix(name, "telcol_intake_version")
		})
		for name := range changed {
			changed[name] -= was[name]
		}
		return changed
	}
	for _, tc := range []struct {
		name string
		msg  []byte
		want []string // metrics that count one more
	}{
		{"good", good, []string{template("learnt"), dataRecords}},
		{"empty", nil, []string{lost("decode", "short")}},
		{"one octet", good[:1], []string{lost("decode", "short")}},
		{"cut in the header", good[:9], []string{lost("decode", "short")}},
		{"cut in a set", good[:30], []string{lost("decode", "short")}},
		{"octets behind it", append(bytes.Clone(good), 1, 2, 3), []string{template("refreshed"), dataRecords, lost("decode", "trailing")}},
		{"template without fields", ipfixOf(setOf(2, words(300, 0))), nil}, // a withdrawal of what is not there
		{"template without octets", ipfixOf(setOf(2, words(300, 2, 8, 0, 12, 0)), setOf(300, words(1, 2))), []string{template("bad"), held}},
		{"more fields than octets", ipfixOf(setOf(2, words(300, 65535, 8, 4))), []string{template("bad")}},
		{"more fields than a device may have", ipfixOf(setOf(2, append(words(300, 600), bytes.Repeat(words(8, 4), 600)...))), []string{template("refused")}},
		{"options template without a scope", ipfixOf(setOf(3, words(310, 1, 0, 34, 4)), setOf(310, words(0, 100))), []string{template("learnt"), optionsRecords}},
		{"options template with more scopes than fields", ipfixOf(setOf(3, words(311, 1, 2, 34, 4))), []string{template("bad")}},
		{"set of length 0", ipfixOf(setOf(256, words(0, 1), 0)), []string{lost("decode", "set")}},
		{"set of length 3", ipfixOf(setOf(256, words(0, 1), 3)), []string{lost("decode", "set")}},
		{"set beyond the message", ipfixOf(setOf(256, words(0, 1), 9)), []string{lost("decode", "set")}},
		{"set too short for a record", ipfixOf(setOf(256, words(1))), []string{lost("decode", "record")}},
		{"reserved set", ipfixOf(setOf(100, words(1, 2))), []string{lost("decode", "reserved-set")}},
		{"NetFlow v1", words(1, 1, 0, 0, 0, 0, 0, 0), []string{lost("decode", "version"), version("1")}},
		{"NetFlow v5", append(words(5, 1), make([]byte, 68)...), []string{lost("decode", "version"), version("5")}},
		{"NetFlow v7", append(words(7, 1), make([]byte, 72)...), []string{lost("decode", "version"), version("7")}},
		{"sFlow", append(words(0, 5, 0, 1), make([]byte, 100)...), []string{lost("decode", "version"), version("0")}},
		{"a web browser", []byte("GET / HTTP/1.1\r\n\r\n"), []string{lost("decode", "version"), version("18245")}},
		{"NetFlow v9 cut", v9Of()[:19], []string{lost("decode", "short")}},
		{"NetFlow v9", v9Of(setOf(0, words(260, 1, 1, 4)), setOf(260, words(0, 1))), []string{template("learnt"), dataRecords}},
		{"NetFlow v9 cut in a set", v9Of(setOf(260, words(0, 1)))[:26], []string{lost("decode", "set")}},
		{"NetFlow v9 with lengths that are no fields", v9Of(setOf(1, words(261, 3, 4, 0, 0, 0, 0))), []string{template("bad")}},
		{"zeros", make([]byte, 60_000), []string{lost("decode", "version"), version("0")}},
		{"good again", good, []string{template("refreshed"), dataRecords}},
	} {
		want := make(map[string]float64)
		for _, name := range tc.want {
			want[name] = 1
		}
		was := r.metrics(t)
		r.send(t, tc.msg)
		waitFor(t, "the datagram", func() bool {
			return r.metrics(t)["telcol_intake_datagrams_total{}"] == was["telcol_intake_datagrams_total{}"]+1
		})
		got := since(was)
		for end := time.Now().Add(patience); !maps.Equal(got, want) && time.Now().Before(end); { // it is counted before it is decoded
			got = since(was)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want one more of %v", tc.name, got, tc.want)
		}
	}
	r.stop(t)
	if n := len(r.stdout.lines()); n != 4 {
		t.Errorf("%d records, want the four good ones", n)
	}
}

// TestOddStreams opens connections that do not keep to RFC 7011 section 10.4: they are closed and counted, those that keep to it go on.
func TestOddStreams(t *testing.T) {
	r := startTest(t, nil)
	good := ipfixOf(setOf(2, words(256, 1, 1, 4)), setOf(256, words(0, 1)))
	fine := r.dialIPFIX(t)
	if _, err := fine.Write(good); err != nil {
		t.Fatal(err)
	}
	r.wait(t, streamMessages, 1)
	with := func(b []byte, at int, v ...byte) []byte { return slices.Replace(bytes.Clone(b), at, at+len(v), v...) }
	bad := map[string][]byte{
		"length 0":         with(good, 2, 0, 0),
		"length 15":        with(good, 2, 0, 15),
		"sets cut short":   with(good, 2, 0, 20),
		"NetFlow v9":       v9Of(setOf(0, words(260, 1, 1, 4))),
		"BMP":              {3, 0, 0, 0, 10, 4, 0, 2, 0, 0},
		"a browser":        []byte("GET / HTTP/1.1\r\n\r\n"),
		"one wrong octet":  {1},
		"TLS client hello": {22, 3, 1, 0, 5, 1, 0, 0, 1, 3},
	}
	for name, msg := range bad {
		c := r.dialIPFIX(t)
		if _, err := c.Write(msg); err != nil {
			t.Fatal(err)
		}
		if name == "one wrong octet" { // says nothing yet
			if _, err := c.Write([]byte{1}); err != nil {
				t.Fatal(err)
			}
		}
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %d octets, error %v; want a closed connection", name, n, err)
		}
	}
	r.wait(t, `telcol_lost_total{reason="framing",,stage="intake"}`, float64(len(bad)))
	if _, err := fine.Write(good); err != nil {
		t.Fatal(err)
	}
	r.wait(t, `telcol_ipfix_records_total{kind="data",}`, 2)
	fine.Close()
	r.wait(t, streamsOpen, 0)
	r.stop(t)
	if n := len(r.stdout.lines()); n != 2 {
		t.Errorf("%d records, want two", n)
	}
}
