package demo

import (
	"fmt"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

const (
	topic      = "telcol.flow"
	partitions = 8
	brokerPort = 19092 // unless it is taken

	// segmentBytes is in what pieces the broker lets go of what was deleted.
	segmentBytes = 1 << 20
	// keepRecords of each partition stay for those who read the topic beside the demo.
	keepRecords = 2000
)

// broker is a Kafka-protocol broker in this process.
type broker struct {
	cluster *kfake.Cluster
	addr    string
}

func startBroker() (*broker, error) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(freeBrokerPort()))
	if err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	err = c.CreateTopic(topic, partitions, map[string]string{"segment.bytes": strconv.Itoa(segmentBytes)})
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("topic %s: %w", topic, err)
	}
	return &broker{cluster: c, addr: c.ListenAddrs()[0]}, nil
}

// freeBrokerPort gives brokerPort, or 0 for any port.
func freeBrokerPort() int {
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(brokerPort)))
	if err != nil {
		return 0
	}
	ln.Close()
	return brokerPort
}

// trim deletes what lies below the offsets, but for the last keepRecords.
func (b *broker) trim(read map[int32]int64) {
	for partition, offset := range read {
		info := b.cluster.PartitionInfo(topic, partition)
		if to := offset - keepRecords; info != nil && to > info.LogStartOffset {
			_ = b.cluster.DeleteRecords(topic, partition, to) // the next round tries again
		}
	}
}

// held is the number of records that the broker has.
func (b *broker) held() (n int64) {
	for p := range int32(partitions) {
		if info := b.cluster.PartitionInfo(topic, p); info != nil {
			n += info.HighWatermark - info.LogStartOffset
		}
	}
	return n
}

func (b *broker) close() { b.cluster.Close() }
