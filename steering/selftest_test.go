package steering

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

func TestProbes(t *testing.T) {
	p := Probe{Token: 1<<63 | 7, Port: 4739}
	b := AppendProbe(nil, p)
	if got, ok := ParseProbe(b); !ok || got != p || len(b) != ProbeSize || !MayBeProbe(b[0]) {
		t.Errorf("got %+v, %v", got, ok)
	}
	a := Answer{Probe: p, Slot: 255, PID: 1 << 20}
	b = AppendAnswer(nil, a)
	if got, ok := ParseAnswer(b); !ok || got != a || len(b) != AnswerSize {
		t.Errorf("got %+v, %v", got, ok)
	}
	for _, version := range []byte{0, 3, 5, 9, 10} {
		if MayBeProbe(version) {
			t.Errorf("%d may begin a probe", version)
		}
	}
	for i := range b {
		if _, ok := ParseAnswer(b[:i]); ok {
			t.Errorf("an answer of %d octets", i)
		}
		if _, ok := ParseProbe(b[:i]); ok && i != ProbeSize {
			t.Errorf("a probe of %d octets", i)
		}
	}
}

func FuzzProbe(f *testing.F) {
	f.Add(AppendProbe(nil, Probe{1, 2}))
	f.Add(AppendAnswer(nil, Answer{Probe{1, 2}, 3, 4}))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := ParseProbe(b)
		if again := AppendProbe(nil, p); ok && !bytes.Equal(again[:26], b[:26]) {
			t.Errorf("%x became %x", b, again)
		}
		if a, ok := ParseAnswer(b); ok {
			if back, ok := ParseAnswer(AppendAnswer(nil, a)); !ok || back != a {
				t.Errorf("%+v became %+v", a, back)
			}
		}
	})
}

// answer lets a worker answer probes as that of a slot, over UDP and TCP.
func (p *place) answer(t *testing.T, slot int) {
	t.Helper()
	reply := func(b []byte) []byte {
		probe, _ := ParseProbe(b)
		return AppendAnswer(nil, Answer{Probe: probe, Slot: slot, PID: 1})
	}
	go func() {
		buf := make([]byte, 64)
		for {
			n, from, err := p.udp.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			p.udp.WriteToUDPAddrPort(reply(buf[:n]), from)
		}
	}()
	go func() {
		for {
			c, err := p.tcp.Accept()
			if err != nil {
				return
			}
			go func(c net.Conn) {
				defer c.Close()
				b := make([]byte, ProbeSize)
				if _, err := io.ReadFull(c, b); err == nil {
					c.Write(reply(b))
				}
			}(c)
		}
	}()
}

// The self-test finds a worker that answers for another slot, one that does not
// answer, and is content with one that does and with an empty slot.
func TestSelfTestFindsFaults(t *testing.T) {
	g, port := newGroup(t, 4)
	join(t, g, port, 0).answer(t, 0)
	join(t, g, port, 1).answer(t, 3)
	join(t, g, port, 2) // silent
	results, err := g.SelfTest(t.Context(), TestOptions{PerSlot: 3, Patience: 6 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	bySlot := map[int]map[string]int{}
	wrong := map[int]int{}
	for _, r := range results {
		if bySlot[r.Slot] == nil {
			bySlot[r.Slot] = map[string]int{}
		}
		bySlot[r.Slot][r.Got]++
		if r.Problem != "" {
			wrong[r.Slot]++
		}
	}
	for slot, want := range map[int]struct {
		got   string
		wrong bool
	}{0: {probeAnswer, false}, 1: {probeAnswer, true}, 2: {probeSilence, true}, 3: {probeDrop, false}} {
		n := bySlot[slot][want.got]
		if n < 2*3 || len(bySlot[slot]) != 1 || (wrong[slot] == n) != want.wrong || !want.wrong && wrong[slot] != 0 {
			t.Errorf("slot %d: %v, %d wrong", slot, bySlot[slot], wrong[slot])
		}
	}
}
