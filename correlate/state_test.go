package correlate

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/telcol/telcol/ipfix"
)

// saved gives the state of a device that has told a template, a VRF and its name.
func saved(t *testing.T) []byte {
	t.Helper()
	b := newBench(t)
	b.join(device1, flowSpec{src: "10.1.2.3", dst: "10.1.3.4", in: idA})
	b.devices[device1].name = "pe1"
	var state []byte
	n := b.Unsaved(testNow, 10, func(d netip.Addr, s []byte) {
		if d != device1 {
			t.Errorf("state of %s", d)
		}
		state = bytes.Clone(s)
	})
	if n != 1 {
		t.Fatalf("%d states, want 1", n)
	}
	if n := b.Unsaved(testNow, 10, nil); n != 0 {
		t.Errorf("saved again without a change")
	}
	return state
}

func TestStateSurvivesARestart(t *testing.T) {
	b := newBench(t)
	if err := b.Restore(device1, saved(t), testNow); err != nil {
		t.Fatal(err)
	}
	var got *Record
	b.emit = func(r *Record) { c := *r; got = &c }
	var m ipfix.Builder // data alone: the template and the options are those of before the restart
	m.Begin(nil, ipfix.Header{Version: ipfix.VersionIPFIX, ExportTime: testNow, Domain: 1})
	m.Set(256)
	m.Uint(idA, 4)
	m.Uint(0, 4)
	m.Uint(1000, 4)
	m.Addr(addr("10.1.2.3"))
	m.Addr(addr("10.1.3.4"))
	if err := b.Message(device1, finish(t, &m), testNow); err != nil || got == nil {
		t.Fatalf("record %v, error %v", got, err)
	}
	if got.RD != rdA || got.VRFName != "A" || got.DeviceName != "pe1" || got.Flow == nil {
		t.Errorf("RD %v VRF %q name %q", got.RD, got.VRFName, got.DeviceName)
	}
	if err := b.Restore(device1, saved(t), testNow); !errors.Is(err, ErrState) {
		t.Errorf("a known device was replaced: %v", err)
	}
}

func TestBrokenStateIsRefused(t *testing.T) {
	good := saved(t)
	for i := range good {
		b := newBench(t)
		bad := bytes.Clone(good)
		bad[i] ^= 0x55
		err := b.Restore(device1, bad, testNow)
		if inName := i >= stateHeader && i < stateHeader+3; (err == nil) != inName {
			t.Fatalf("octet %d changed: error %v", i, err)
		}
		if err := newBench(t).Restore(device1, good[:i], testNow); !errors.Is(err, ErrState) {
			t.Fatalf("cut after %d octets: %v", i, err)
		}
	}
	if err := newBench(t).Restore(device1, append(bytes.Clone(good), 0), testNow); !errors.Is(err, ErrState) {
		t.Errorf("an octet too many: %v", err)
	}
}

func FuzzRestore(f *testing.F) {
	f.Add([]byte(stateMagic + "\x02\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, state []byte) {
		b := newBench(t)
		if err := b.Restore(device1, state, testNow); (err == nil) != (len(b.devices) == 1) {
			t.Errorf("error %v, %d devices", err, len(b.devices))
		}
	})
}
