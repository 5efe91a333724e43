package sink

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The values are of Kafka's own Utils.murmur2, by way of its documentation of keyed partitions and the client library's twin.
func TestMurmur2EqualsTheClients(t *testing.T) {
	theirs := kgo.StickyKeyPartitioner(nil).ForTopic("")
	for n := range 40 {
		key := bytes.Repeat([]byte{0xf1}, n)
		for i := range key {
			key[i] += byte(i * 37)
			const partitions = 1 << 20
			r := &kgo.Record{Key: key}
			if got, want := byKey().ForTopic("").Partition(r, partitions), theirs.Partition(r, partitions); got != want {
				t.Fatalf("key %x: partition %d, want %d", key, got, want)
			}
		}
	}
}
