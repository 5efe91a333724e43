package demo

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestFrameInPlace(t *testing.T) {
	var out strings.Builder
	s := newScreen(Env{Out: &out, Terminal: true, Width: func() int { return 6 }})
	s.line("begin")
	s.frame([]string{"one", "a long line", "три слова"}, time.Now())
	s.frame([]string{"two"}, time.Now())
	s.line("end")
	s.frame([]string{"new"}, time.Now())
	want := "begin\n" + "\rone\x1b[K\n\ra lon\x1b[K\n\rтри с\x1b[K\n\x1b[J" + "\x1b[3A\rtwo\x1b[K\n\x1b[J" + "end\n" + "\rnew\x1b[K\n\x1b[J"
	if got := out.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestFramesAsLines(t *testing.T) {
	var out strings.Builder
	s := newScreen(Env{Out: &out})
	start := time.Unix(100, 0)
	for i := range 12 {
		s.frame([]string{"a", "b"}, start.Add(time.Duration(i)*time.Second))
	}
	if want := strings.Repeat("\na\nb\n", 3); out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -5: "-5", -4321: "-4,321"} {
		if got := number(n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if count(1, "worker") != "1 worker" || count(2, "worker") != "2 workers" {
		t.Error("count")
	}
}

func TestTable(t *testing.T) {
	m, err := parseMetrics(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	lines := table([]*worker{{slot: 0, pid: 7, metrics: m, rate: 1000.4}, {slot: 1, pid: 8, rate: 1}})
	if len(lines) != 4 {
		t.Fatalf("got %q", lines)
	}
	for i, want := range []string{
		"slot pid devices sessions flows/s routes join hit kernel drops",
		"0 7 0 0 1,000 1,500,000 85.71 % 0",
		"1 8 0 0 1 0 - 0",
		"all 0 0 1,001 1,500,000 85.71 % 0",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestShort(t *testing.T) {
	for _, c := range []struct{ record, want string }{
		{
			`{"slot":2,"device_name":"ams-pe1","vrf_name":"customer-a","src_addr":"10.0.0.1","dst_addr":"10.1.0.1","dst_port":443,` +
				`"proto_name":"tcp","dst_prefix":"10.1.0.0/24","dst_as_path":[1,2],"dst_next_hop":"192.0.2.1","dst_rib":"loc-rib","join_dst":"hit"}`,
			"slot 2 ams-pe1 [customer-a] 10.0.0.1 > 10.1.0.1 tcp/443: 10.1.0.0/24 by 192.0.2.1, AS 1 2 (loc-rib)",
		},
		{`{"slot":0,"device_name":"x","src_addr":"a","dst_addr":"b","join_dst":"no-prefix"}`, "slot 0 x a > b /0: no-prefix"},
		{`{`, "not JSON: {"},
	} {
		if got := short([]byte(c.record)); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestSamplesShowFaultsFirst(t *testing.T) {
	var s samples
	for range 1000 {
		s.offer([]byte("good"), nil)
	}
	s.offer([]byte("bad"), errors.New("wrong"))
	got := s.take()
	if len(got) != maxSamples || string(got[0]) != "bad" || string(got[1]) != "good" {
		t.Errorf("got %q", got)
	}
	if again := s.take(); len(again) != 0 {
		t.Errorf("got %q again", again)
	}
}

func TestOptions(t *testing.T) {
	if o := Default(); o.validate() != nil {
		t.Error(o.validate())
	}
	for _, change := range []func(*Options){
		func(o *Options) { o.Workers = 0 }, func(o *Options) { o.Workers = 257 }, func(o *Options) { o.Rate = 0 },
		func(o *Options) { o.Rate = maxRate + 1 }, func(o *Options) { o.For = -1 },
	} {
		o := Default()
		change(&o)
		if err := o.validate(); !errors.Is(err, ErrOptions) {
			t.Errorf("%+v: got %v", o, err)
		}
	}
}
