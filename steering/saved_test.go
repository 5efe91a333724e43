package steering

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// everySaved has one of everything that a key file may hold.
func everySaved() *Saved {
	return &Saved{
		Key:   Key{0: 1, 15: 0xff},
		Asked: 4,
		Plan: &Plan{
			Slots: 6, Weights: map[int]float64{1: 2.5, 3: 0.125}, Drained: map[int]bool{2: true},
			Pins: map[netip.Addr]int{netip.MustParseAddr("192.0.2.1"): 3, netip.MustParseAddr("2001:db8::1"): 255},
		},
		Aliases: map[netip.Addr]netip.Addr{netip.MustParseAddr("2001:db8::7"): netip.MustParseAddr("198.51.100.7")},
		Allowed: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("::/0")},
	}
}

const everyLine = `telcol steering plan, version 1
# Written by telcol steering; whoever knows the key can choose addresses that all fall on one worker.
key 010000000000000000000000000000ff
slots 6
asked 4
weight 1 2.5
weight 3 0.125
drained 2
pin 192.0.2.1 3
pin 2001:db8::1 255
alias 2001:db8::7 198.51.100.7
allow 192.0.2.0/24
allow ::/0
`

// summed adds the last line.
func summed(text string) []byte { return []byte(text + sumLine([]byte(text))) }

func TestSavedText(t *testing.T) {
	want := everySaved()
	text := want.Append([]byte("before"))[len("before"):]
	if got := string(text); got != string(summed(everyLine)) {
		t.Errorf("got\n%swant\n%s", got, summed(everyLine))
	}
	got, err := ParseSaved(text)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A key file of before holds the key alone, with or without a newline.
func TestSavedKeyAlone(t *testing.T) {
	for _, text := range []string{"010000000000000000000000000000ff\n", "010000000000000000000000000000FF", " 010000000000000000000000000000ff\r\n"} {
		got, err := ParseSaved([]byte(text))
		if want := (&Saved{Key: Key{0: 1, 15: 0xff}}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
}

func TestSavedRefuses(t *testing.T) {
	line := func(add string) []byte { return summed(everyLine + add + "\n") }
	without := func(gone string) []byte { return summed(strings.Replace(everyLine, gone, "", 1)) }
	var many strings.Builder
	for i := range maxPins {
		fmt.Fprintf(&many, "pin %s 0\n", netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	for _, c := range []struct {
		name string
		text []byte
		want string
	}{
		{"nothing", nil, "begins neither"},
		{"half a key", []byte("0100000000000000000000"), "begins neither"},
		{"something else", []byte("[Unit]\n"), "begins neither"},
		{"a newer version", summed(strings.Replace(everyLine, "version 1", "version 2", 1)), `has version "2"`},
		{"no sum", []byte(everyLine), "cut short"},
		{"header alone", []byte("telcol steering plan, version 1\n"), "cut short"},
		{"altered", bytes.Replace(summed(everyLine), []byte("weight 1 2.5"), []byte("weight 1 2.6"), 1), "altered"},
		{"something behind the sum", append(summed(everyLine), "allow 10.0.0.0/8\n"...), "cut short"},
		{"no key", without("key 010000000000000000000000000000ff\n"), `nothing of "key"`},
		{"no slots", without("slots 6\n"), `nothing of "slots"`},
		{"two keys", line("key 010000000000000000000000000000ff"), `line 14: "key" is there twice`},
		{"a key that is none", summed(strings.Replace(everyLine, "ff\n", "fg\n", 1)), "32 hexadecimal"},
		{"pinned twice", line("pin 192.0.2.1 3"), `"pin 192.0.2.1" is there twice`},
		{"an unknown word", line("color blue"), `line 14: "color blue": unknown`},
		{"slots out of range", summed(strings.Replace(everyLine, "slots 6", "slots 257", 1)), "from 1 to 256"},
		{"asked for nothing", summed(strings.Replace(everyLine, "asked 4", "asked 0", 1)), "from 1 to 256"},
		{"a number that is padded", summed(strings.Replace(everyLine, "slots 6", "slots 06", 1)), "want a number"},
		{"weight of no slot", line("weight 6 2"), "the group has slots 0 to 5"},
		{"drained slot that is none", line("drained 6"), "the group has slots 0 to 5"},
		{"weight too small", line("weight 4 0.001"), "want a weight"},
		{"weight that is no number", line("weight 4 NaN"), "want a weight"},
		{"weight that cannot be kept", line("weight 4 0.1234"), "want a weight"},
		{"weight that goes without saying", line("weight 4 1"), "want a weight"},
		{"too much", line("drained 4 5"), "too much"},
		{"pin to no slot", line("pin 192.0.2.9 256"), "want a number"},
		{"address that is mapped", line("pin ::ffff:192.0.2.9 1"), "want an address"},
		{"address with a zone", line("pin fe80::1%eth0 1"), "want an address"},
		{"alias of itself", line("alias 192.0.2.9 192.0.2.9"), "alias of an alias"},
		{"alias of an alias", line("alias 192.0.2.9 2001:db8::7"), "alias of an alias"},
		{"prefix with host bits", line("allow 10.0.0.1/8"), "want a prefix"},
		{"no slot left", line("drained 0\ndrained 1\ndrained 3\ndrained 4\ndrained 5"), "no slot would be left"},
		{"too many pins", line(strings.TrimSuffix(many.String(), "\n")), "16386 pins"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if s, err := ParseSaved(c.text); !errors.Is(err, ErrKeyFile) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %+v, %v; want %q", s, err, c.want)
			}
		})
	}
}

// No file that was cut short, or has a wrong octet, is taken for another plan.
func TestSavedDamage(t *testing.T) {
	text := everySaved().Append(nil)
	for i := range text {
		if _, err := ParseSaved(text[:i]); !errors.Is(err, ErrKeyFile) {
			t.Errorf("cut at %d: %v", i, err)
		}
		bad := bytes.Clone(text)
		bad[i] ^= 1
		if _, err := ParseSaved(bad); !errors.Is(err, ErrKeyFile) {
			t.Errorf("octet %d altered: %v", i, err)
		}
	}
}

// FuzzSaved reads what is given, as it is and with a sum: it is refused, or is a plan that
// is written and read as the same again, from which a table can be made.
func FuzzSaved(f *testing.F) {
	f.Add(everySaved().Append(nil))
	f.Add([]byte(everyLine))
	f.Add([]byte("010000000000000000000000000000ff\n"))
	f.Add([]byte("telcol steering plan, version 1\nkey 010000000000000000000000000000ff\nslots 2\ndrained 0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, text := range [][]byte{text, summed(string(text))} {
			s, err := ParseSaved(text)
			if err != nil {
				if !errors.Is(err, ErrKeyFile) || s != nil {
					t.Fatalf("got %+v, %v", s, err)
				}
				continue
			}
			if s.Plan == nil {
				continue
			}
			again, err := ParseSaved(s.Append(nil))
			if err != nil || !reflect.DeepEqual(again, s) {
				t.Fatalf("%+v is read again as %+v, %v", s, again, err)
			}
			if len(s.Plan.Pins) > 1 { // a table is slow to make
				continue
			}
			for b, slot := range s.Plan.buckets(s.Key) {
				if int(slot) >= s.Plan.Slots || s.Plan.Drained[int(slot)] {
					t.Fatalf("bucket %d goes to slot %d: %+v", b, slot, s.Plan)
				}
			}
		}
	})
}
