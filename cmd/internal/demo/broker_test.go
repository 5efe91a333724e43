package demo

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/telcol/telcol/cmd/internal/simrouter"
)

// TestTopicStaysBounded writes much more than is kept, reads it, and looks at the memory.
func TestTopicStaysBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: with few records the heap depends on where segments end")
	}
	b, err := startBroker()
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	r, err := newReader(b, simrouter.NewChecker(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.run(ctx) }()

	producer, err := kgo.NewClient(kgo.SeedBrokers(b.addr), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	const rounds, size, records = 20, 1500, 5000
	var first, last uint64
	for round := range rounds {
		for range records {
			producer.Produce(ctx, &kgo.Record{Value: make([]byte, size)}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
		if err := producer.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		for r.lag() > 0 {
			time.Sleep(time.Millisecond)
		}
		b.trim(r.offsets())
		last = heap()
		if round == rounds/2 {
			first = last
		}
	}
	// A batch is deleted whole, so that a little more is kept.
	if n := b.held(); n > partitions*(keepRecords+2000) {
		t.Errorf("%d records are kept", n)
	}
	if grown := int64(last) - int64(first); grown > int64(rounds/2*records*size/4) {
		t.Errorf("the heap grew by %d MiB while %d MiB were written", grown>>20, rounds/2*records*size>>20)
	}
	t.Logf("heap %d MiB after the first half, %d MiB in the end; %d records kept", first>>20, last>>20, b.held())
	cancel()
	<-ended
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
