package steering

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestReports(t *testing.T) {
	g, _ := newGroup(t, 3)
	onlooker, err := Open("", g.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer onlooker.Close()
	if all, err := onlooker.Reports(); err != nil || slices.ContainsFunc(all, func(r *Report) bool { return r != nil }) {
		t.Errorf("before any: %v, %v", all, err)
	}
	want := Report{PID: 7, Program: 1, Generation: 2, Devices: 3, Sessions: 4, Datagrams: 5, ReceiveDrops: 6, Foreign: 7, ForeignConns: 8, Moved: 9, Probes: 10, Rate: 11}
	if err := g.Publish(1, want); err != nil {
		t.Fatal(err)
	}
	if err := g.Publish(256, want); !errors.Is(err, ErrSlotRange) {
		t.Errorf("got %v", err)
	}
	all, err := onlooker.Reports()
	if err != nil || len(all) != 3 || all[0] != nil || all[2] != nil || all[1] == nil {
		t.Fatalf("got %v, %v", all, err)
	}
	if age := all[1].Age(); age < 0 || age > time.Minute {
		t.Errorf("age %v", age)
	}
	got := *all[1]
	got.Beat = 0
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSightings(t *testing.T) {
	g, _ := newGroup(t, 3)
	all := devices(300)
	if err := g.Sight(1, all[:200]); err != nil {
		t.Fatal(err)
	}
	if err := g.Sight(2, all[150:]); err != nil {
		t.Fatal(err)
	}
	got, err := g.Devices(time.Hour)
	if err != nil || len(got) != len(all) {
		t.Fatalf("%d devices, want %d (%v)", len(got), len(all), err)
	}
	for _, d := range got {
		want := 1
		if slices.Contains(all[150:], d.Addr) {
			want = 2
		}
		if d.Slot != want || d.Age > time.Minute {
			t.Errorf("got %+v, want slot %d", d, want)
		}
	}
	if old, err := g.Devices(-1); err != nil || len(old) != 0 {
		t.Errorf("%d devices of the future, %v", len(old), err)
	}
	// More than fit: the newest stay.
	for i := range 2 * maxDevices / 256 {
		var batch []netip.Addr
		for j := range 256 {
			batch = append(batch, netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j)}))
		}
		if err := g.Sight(0, batch); err != nil {
			t.Fatal(err)
		}
	}
	got, err = g.Devices(time.Hour)
	if err != nil || len(got) > maxDevices || len(got) < maxDevices/2 {
		t.Errorf("%d devices, want at most %d (%v)", len(got), maxDevices, err)
	}
}
