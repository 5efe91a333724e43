package collector

import (
	"testing"
	"time"
)

// TestRate measures over half a second at least, however often it is asked.
func TestRate(t *testing.T) {
	f := &follower{}
	start := time.Unix(1000, 0)
	for i, c := range []struct {
		at        time.Duration
		datagrams uint64
		want      uint64
	}{
		{0, 500, 0},
		{time.Millisecond, 516, 0},
		{time.Second, 1000, 500},
		{time.Second + time.Millisecond, 1000, 500},
		{time.Second + 2*time.Millisecond, 1064, 500},
		{2 * time.Second, 1100, 100},
		{12 * time.Second, 1100, 0},
	} {
		if got := f.rateAt(start.Add(c.at), c.datagrams); got != c.want {
			t.Errorf("%d: got %d a second, want %d", i, got, c.want)
		}
	}
}
