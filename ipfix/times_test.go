package ipfix

import (
	"math"
	"testing"
	"time"
)

func TestTimes(t *testing.T) {
	const ms, sec = int64(time.Millisecond), int64(time.Second)
	const bootMillis = 1_699_999_000_000
	ntp := func(t int64) uint64 { return uint64(t/sec+2208988800)<<32 | uint64(t%sec)<<32/uint64(sec) + 1 }
	boot := []hexField{u(149, 4, 7), u(160, 8, bootMillis)}
	cases := []struct {
		name    string
		version uint16
		options []hexField
		record  []hexField
		start   int64
		end     int64
	}{
		{"milliseconds", 10, nil, []hexField{u(152, 8, 1_699_999_999_001), u(153, 8, 1_699_999_999_002)}, 1_699_999_999_001 * ms, 1_699_999_999_002 * ms},
		{"seconds", 10, nil, []hexField{u(150, 4, 1_699_999_998), u(151, 4, 1_699_999_999)}, 1_699_999_998 * sec, 1_699_999_999 * sec},
		{"nanoseconds", 10, nil, []hexField{u(156, 8, ntp(1_699_999_998_000_000_123)), u(157, 8, ntp(1_699_999_999_999_999_999))}, 1_699_999_998_000_000_123, 1_699_999_999_999_999_999},
		{"microseconds, bits below them ignored", 10, nil, []hexField{u(154, 8, ntp(1_699_999_998_500_000_000)|0x7ff)}, 1_699_999_998_500_000_000, 0},
		{"micros before export", 10, nil, []hexField{u(158, 4, 2_000_000), u(159, 4, 1)}, export - 2*sec, export - 1000},
		{"uptime and start of the system in the record", 10, nil, []hexField{u(22, 4, 5000), u(21, 4, 6000), u(160, 8, bootMillis)}, (bootMillis + 5000) * ms, (bootMillis + 6000) * ms},
		{"uptime and start of the system behind a name", 10, nil, []hexField{u(22, 4, 5000), u(21, 4, 6000), vary(82, 'x'), u(160, 8, bootMillis)}, (bootMillis + 5000) * ms, (bootMillis + 6000) * ms},
		{"uptime and options", 10, boot, []hexField{u(22, 4, 5000), u(21, 4, 6000)}, (bootMillis + 5000) * ms, (bootMillis + 6000) * ms},
		{"uptime without a start", 10, nil, []hexField{u(22, 4, 5000), u(21, 4, 6000)}, 0, 0},
		{"uptime that wrapped", 10, []hexField{u(149, 4, 7), u(160, 8, 1_700_000_000_000-1<<32-3000)}, []hexField{u(22, 4, 1000), u(21, 4, math.MaxUint32)}, export - 2*sec, export - 3001*ms},
		{"version 9, before the header's uptime", 9, nil, []hexField{u(22, 4, 999_000), u(21, 4, 1_000_500)}, export - sec + 999*ms, export + 1499*ms},
		{"version 9, across the wrap", 9, nil, []hexField{u(22, 4, math.MaxUint32-999)}, export - 1_001_000*ms + 999*ms, 0},
		{"one time for both", 10, nil, []hexField{u(323, 8, 1_699_999_999_001)}, 1_699_999_999_001 * ms, 1_699_999_999_001 * ms},
		{"the finer wins", 10, nil, []hexField{u(150, 4, 1_699_999_998), u(152, 8, 1_699_999_998_123), u(22, 4, 1)}, 1_699_999_998_123 * ms, 0},
		{"zero is unknown", 10, nil, []hexField{u(152, 8, 0), u(157, 8, 0)}, 0, 0},
		{"out of range is unknown", 10, nil, []hexField{u(152, 8, math.MaxUint64), u(151, 8, math.MaxUint64), u(158, 8, math.MaxUint64)}, 0, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newTestSession(t, Config{})
			if c.options != nil {
				decode(t, s, optionsMessage(t, c.version, 7, 1, c.options))
			}
			f := decode(t, s, one(t, c.version, c.record...))[0]
			if f.Start != c.start || f.End != c.end {
				t.Errorf("got %d to %d, want %d to %d", f.Start, f.End, c.start, c.end)
			}
			if f.Has&FieldStart != 0 != (c.start != 0) || f.Has&FieldEnd != 0 != (c.end != 0) {
				t.Errorf("has %b", f.Has)
			}
		})
	}
}

func TestNTPEra(t *testing.T) {
	// 2036-02-07 06:28:16 UTC is second 0 of era 1.
	if got, want := fromNTP(1<<32), int64(2085978497)*1e9; got != want {
		t.Errorf("got %d, want %d", got, want)
	}
	if got := fromNTP(2208988800 << 32); got != 0 {
		t.Errorf("1970: got %d", got)
	}
}

// TestUptimeInWholeSeconds holds what the times of NetFlow v9 are in whole seconds: those of the header less those between
// the two uptimes, both cut off, for every flow.
func TestUptimeInWholeSeconds(t *testing.T) {
	const second = int64(time.Second)
	c := clock{export: export, v9: true}
	for _, uptime := range []uint32{1_000_000, 1_000_001, 1_000_500, 1_000_999} {
		c.uptime = uptime
		for ago := range uint32(2500) {
			got, want := c.atUptime(uint64(uptime-ago)), export/second-int64(ago/1000)
			if got/second != want {
				t.Fatalf("uptime %d, %d ms ago: second %d, want %d", uptime, ago, got/second, want)
			}
			if first := c.atUptime(uint64(uptime)); first-got != int64(ago)*int64(time.Millisecond) {
				t.Fatalf("uptime %d: %d ms apart are %d ns", uptime, ago, first-got)
			}
		}
	}
}
