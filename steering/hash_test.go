package steering

import (
	"net/netip"
	"testing"
)

// The vectors of SipHash's authors for key 00..0f and message 00..0f.
func TestSipHashReference(t *testing.T) {
	var in [16]byte
	for i := range in {
		in[i] = byte(i)
	}
	if got, want := sipHash(in, in), uint64(0x3f2acc7f57c29bdb); got != want {
		t.Errorf("got %#x, want %#x", got, want)
	}
}

func TestBucketOfMappedAddress(t *testing.T) {
	key := Key{1, 2, 3}
	for _, c := range []struct{ name, a, b string }{
		{"IPv4 and mapped", "192.0.2.1", "::ffff:192.0.2.1"},
		{"zone", "fe80::1", "fe80::1%eth0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := key.Bucket(netip.MustParseAddr(c.a)), key.Bucket(netip.MustParseAddr(c.b))
			if a != b {
				t.Errorf("bucket of %s is %d, of %s %d", c.a, a, c.b, b)
			}
		})
	}
}

func BenchmarkBucket(b *testing.B) {
	key, addr := Key{1}, netip.MustParseAddr("2001:db8::1")
	for b.Loop() {
		key.Bucket(addr)
	}
}
