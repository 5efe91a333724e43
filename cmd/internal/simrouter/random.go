package simrouter

// mix turns numbers into one that looks random and depends on all of them, by the finalizer of SplitMix64.
func mix(parts ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, p := range parts {
		h = scramble(h ^ scramble(p+0x9e3779b97f4a7c15))
	}
	return h
}

func scramble(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// stream gives one number after the other from a seed.
type stream uint64

func (s *stream) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	return scramble(uint64(*s))
}

// below gives a number from 0 to n-1.
func (s *stream) below(n int) int { return int(s.next() % uint64(n)) }
