package rib

import (
	"errors"
	"testing"
)

func TestRDText(t *testing.T) {
	for _, c := range []struct {
		rd   RD
		text string
	}{
		{0, "0:0:0"},
		{0x0000_fbf0_0000_0063, "0:64496:99"},
		{0x0000_0001_ffff_ffff, "0:1:4294967295"},
		{0x0001_c000_0201_0007, "1:192.0.2.1:7"},
		{0x0002_0001_0000_ffff, "2:65536:65535"},
		{0x0003_0000_0001_0002, "3:1:2"},
	} {
		if got := c.rd.String(); got != c.text {
			t.Errorf("%#x: got %s, want %s", uint64(c.rd), got, c.text)
		}
		if got, err := ParseRD(c.text); err != nil || got != c.rd {
			t.Errorf("%s: got %#x, %v, want %#x", c.text, uint64(got), err, uint64(c.rd))
		}
	}
	for _, s := range []string{"", "1", "1:2", "0:1:2:3", "0:65536:1", "0:1:4294967296", "1:65536:1", "1:::1", "2:1:65536", "x:1:1", "65536:1:1", "-1:1:1"} {
		if got, err := ParseRD(s); !errors.Is(err, ErrRD) {
			t.Errorf("%q: got %v, %v, want ErrRD", s, got, err)
		}
	}
}

func FuzzRD(f *testing.F) {
	f.Add("1:192.0.2.1:7")
	f.Add("0:64496:99")
	f.Fuzz(func(t *testing.T, s string) {
		rd, err := ParseRD(s)
		if err != nil {
			return
		}
		if again, err := ParseRD(rd.String()); err != nil || again != rd {
			t.Errorf("%q: %v became %v, %v", s, rd, again, err)
		}
	})
}

func TestStateText(t *testing.T) {
	for want, got := range map[string]string{
		"absent": Absent.String(), "synced": Synced.String(), "syncing": Syncing.String(), "stale": Stale.String(),
		"loc-rib": LocRIB.String(), "adj-rib-in-post": AdjRIBInPost.String(), "adj-rib-in-pre": AdjRIBInPre.String(),
		"adj-rib-out-pre": AdjRIBOutPre.String(), "adj-rib-out-post": AdjRIBOutPost.String(), "view-9": View(9).String(),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
