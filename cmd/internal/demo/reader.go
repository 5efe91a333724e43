package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/telcol/telcol/cmd/internal/simrouter"
)

// reader reads the topic back and checks each record.
type reader struct {
	client  *kgo.Client
	checker *simrouter.Checker
	broker  *broker

	mu      sync.Mutex
	read    map[int32]int64 // next offset by partition
	bytes   uint64
	samples samples
}

func newReader(b *broker, checker *simrouter.Checker) (*reader, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(b.addr), kgo.ConsumeTopics(topic), kgo.FetchMaxWait(200*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxBytes(8<<20),
	)
	if err != nil {
		return nil, fmt.Errorf("reader of the topic: %w", err)
	}
	return &reader{client: client, checker: checker, broker: b, read: make(map[int32]int64)}, nil
}

// run reads until ctx ends.
func (r *reader) run(ctx context.Context) {
	trimmed := time.Now()
	for ctx.Err() == nil {
		r.client.PollFetches(ctx).EachRecord(r.take)
		if now := time.Now(); now.Sub(trimmed) >= time.Second {
			trimmed = now
			r.broker.trim(r.offsets())
		}
	}
}

func (r *reader) take(rec *kgo.Record) {
	err := r.checker.Check(rec.Value)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read[rec.Partition] = rec.Offset + 1
	r.bytes += uint64(len(rec.Value))
	r.samples.offer(rec.Value, err)
}

func (r *reader) offsets() map[int32]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	read := make(map[int32]int64, len(r.read))
	for p, o := range r.read {
		read[p] = o
	}
	return read
}

// lag is the number of records in the topic that were not read yet.
func (r *reader) lag() (n int64) {
	read := r.offsets()
	for p := range int32(partitions) {
		if info := r.broker.cluster.PartitionInfo(topic, p); info != nil {
			n += info.HighWatermark - max(read[p], info.LogStartOffset)
		}
	}
	return n
}

// state gives the bytes read so far and a few records to show, which begin anew.
func (r *reader) state() (bytes uint64, shown [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes, r.samples.take()
}

func (r *reader) close() { r.client.Close() }

// samples keeps a few records of each second to show, faulty ones first.
type samples struct {
	good, bad [][]byte
	seen      int
}

const maxSamples = 4

func (s *samples) offer(value []byte, err error) {
	if err != nil && len(s.bad) < maxSamples {
		s.bad = append(s.bad, clone(value))
	}
	if err != nil {
		return
	}
	// Records of one datagram follow each other; take them from different ones.
	if s.seen%37 == 0 && len(s.good) < maxSamples {
		s.good = append(s.good, clone(value))
	}
	s.seen++
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }

func (s *samples) take() [][]byte {
	all := append(s.bad, s.good...)
	*s = samples{}
	return all[:min(len(all), maxSamples)]
}
