package supervise

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	b := backoff{first: time.Second, most: 30 * time.Second, healthy: time.Minute}
	for i, c := range []struct{ lived, want time.Duration }{
		{0, 1}, {0, 2}, {59 * time.Second, 4}, {0, 8}, {0, 16}, {0, 30}, {0, 30}, {time.Minute, 1}, {0, 2},
	} {
		if got := b.next(c.lived); got != c.want*time.Second {
			t.Errorf("end %d: got %v, want %ds", i, got, c.want)
		}
	}
}
