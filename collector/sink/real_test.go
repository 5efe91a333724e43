package sink

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// realKafka returns the brokers of a real Kafka, such as deploy/kafka-rig brings up.
func realKafka(t testing.TB) []string {
	t.Helper()
	addr := os.Getenv("TELCOL_TEST_KAFKA")
	switch {
	case addr != "":
		return strings.Split(addr, ",")
	case os.Getenv("TELCOL_REQUIRE_KAFKA") == "1":
		t.Fatal("TELCOL_TEST_KAFKA is not set and TELCOL_REQUIRE_KAFKA=1 wants it (deploy/kafka-rig/rig.sh run go test ...)")
	default:
		t.Skip("TELCOL_TEST_KAFKA is not set (deploy/kafka-rig/rig.sh run go test ...)")
	}
	return nil
}

func TestKafkaReal(t *testing.T) {
	brokers := realKafka(t)
	for _, codec := range []string{"none", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			topic := fmt.Sprintf("telcol.test.%s.%d", codec, time.Now().UnixNano())
			s := newKafka(t, KafkaConfig{
				Brokers: brokers, CreateTopics: true, Partitions: 5, Compression: codec, Linger: 5 * time.Millisecond,
				Topics: []Topic{{Name: topic, Headers: []Header{{"schema", []byte("1")}}}},
			})
			defer s.admin.DeleteTopic(t.Context(), topic)
			const keys, per = 40, 500
			sendNumbered(s, keys, 0, per)
			send(s, 0, "too large", strings.Repeat("x", 2<<20))
			flush(t, s)

			recs := readTopic(t, brokers, topic, keys*per)
			checkOrder(t, recs, keys, per)
			if h := recs[0].Headers; len(h) != 1 || h[0].Key != "schema" {
				t.Errorf("headers %v", h)
			}
			c := s.Counters()[0]
			checkSums(t, s.Counters())
			if c.Delivered != keys*per || c.LostBy[TooLarge] != 1 || c.TotalLost() != 1 {
				t.Errorf("counters %+v", c)
			}
			if codec != "none" && c.WireBytes >= c.BatchBytes {
				t.Errorf("%s: %d bytes on the wire of %d", codec, c.WireBytes, c.BatchBytes)
			}
		})
	}
}
