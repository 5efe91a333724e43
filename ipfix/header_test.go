package ipfix

import (
	"encoding/binary"
	"testing"
)

func TestHeader(t *testing.T) {
	var b Builder
	want := Header{Version: VersionIPFIX, Length: 16, ExportTime: export, Sequence: 3, Domain: 4}
	b.Begin([]byte("before"), want)
	msg := finish(t, &b)[6:]
	if got, err := ParseHeader(msg); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if n, err := MessageLength(msg); n != 16 || err != nil {
		t.Errorf("length %d, %v", n, err)
	}
	want = Header{Version: VersionNetFlow9, Count: 9, Length: 20, ExportTime: export, Sequence: 3, Domain: 4, Uptime: 77}
	b.Begin(nil, want)
	msg = finish(t, &b)
	if got, err := ParseHeader(msg); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, m := range map[string][]byte{"v9": msg, "short": {0, 10, 0}, "length": {0, 10, 0, 15}} {
		if _, err := MessageLength(m); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if v := Version(binary.BigEndian.AppendUint16(nil, 5)); v != 5 || Version(nil) != 0 {
		t.Errorf("version %d", v)
	}
}
