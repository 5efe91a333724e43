package supervise

import "time"

// backoff says how long to wait before a process is started again.
type backoff struct {
	first, most time.Duration // of one that has just failed, of one that fails for long
	healthy     time.Duration // one that lived this long begins anew

	last time.Duration
}

// next takes how long the process lived and gives how long to wait: twice as long as the last time.
func (b *backoff) next(lived time.Duration) time.Duration {
	if lived >= b.healthy {
		b.last = 0
	}
	b.last = min(max(2*b.last, b.first), b.most)
	return b.last
}
