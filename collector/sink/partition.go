package sink

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kgo"
)

// byKey places records as Kafka's own clients do: murmur2 of the key, without its sign, modulo the partitions. Others that produce or
// look for a device's records find the same partition. The client's own keyed partitioners can switch partitions for records
// without a key and hold a lock over the buffering for it, which ours do not need.
func byKey() kgo.Partitioner {
	return kgo.BasicConsistentPartitioner(func(string) func(*kgo.Record, int) int {
		return func(r *kgo.Record, n int) int { return int(murmur2(r.Key)&0x7fffffff) % n }
	})
}

// murmur2 is the 32-bit MurmurHash2 with the seed and the byte order of Kafka.
func murmur2(b []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
	)
	h := seed ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * m
		h = h*m ^ (k^k>>24)*m
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(b[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}
