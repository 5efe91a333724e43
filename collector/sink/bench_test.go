package sink

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"golang.org/x/sys/unix"

	"github.com/telcol/telcol/deploy/freeport"
)

// brokerEnv makes the test binary a broker instead: one that takes records and keeps none, in a process of its own so that the
// CPU time of the test process is the producer's.
const brokerEnv = "TELCOL_SINK_BENCH_BROKER"

func runBroker() {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(8, testTopic), kfake.BlackholeProduce())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(strings.Join(c.ListenAddrs(), ","))
	os.Stdin.Read(make([]byte, 1)) // until the parent is gone
	c.Close()
	os.Exit(0)
}

// startBroker starts that process and returns its address.
func startBroker(b *testing.B) string {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), brokerEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); cmd.Wait() })
	line := make([]byte, 100)
	n, err := out.Read(line)
	if err != nil {
		b.Fatal(err)
	}
	return string(bytes.TrimSpace(line[:n]))
}

// cpuTime returns the CPU time of this process.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// BenchmarkKafka sends records of 1080 octets as fast as the broker takes them, with as many waiting as in a worker at 200,000 records/s,
// and tells the CPU time of the process per record. Measured against a broker that only counts, and divided by how much
// slower than the reference machine this one was (franz-go alone, 400 octets: 0.46 us):
//
//	none 1.2 us, snappy 1.5, lz4 2.8, zstd 3.3; franz-go alone, prepared values of 1100 octets, no keys, no headers: 0.66
//
// Of the 1.2 us the client's copy of the value, cold by then, into the request takes 30 %, the write to the socket 20 %, Produce
// 12 %, the promises 8 %, Get, Send and the reaping 10 %, and the copy that stands for the encoder's writing 10 %.
// Longer and shorter lingers (5 to 50 ms) and an Item with the client's record as its only fields made no difference.
func BenchmarkKafka(b *testing.B) {
	addr := os.Getenv("TELCOL_TEST_KAFKA")
	if addr == "" {
		addr = startBroker(b)
	}
	flows := flowRecords(512)
	for _, codec := range []string{"none", "snappy", "lz4", "zstd"} {
		b.Run("codec="+codec, func(b *testing.B) {
			s := newKafka(b, KafkaConfig{Brokers: []string{addr}, Compression: codec, CreateTopics: true, Topics: []Topic{{Name: testTopic, Headers: []Header{
				{"schema", []byte("1")}, {"content-type", []byte("application/json")}, {"slot", []byte("3")},
			}}}})
			until(b, "the broker", func() bool { return s.Status().Up })
			keys := make([][]byte, 32)
			for i := range keys {
				keys[i] = fmt.Appendf(nil, "198.51.100.%d", i)
			}
			b.SetBytes(int64(len(flows[0])))
			b.ReportAllocs()
			before := cpuTime(b)
			now := time.Now()
			for i := 0; b.Loop(); i++ {
				if i%256 == 0 {
					now = time.Now()
					for s.Counters()[0].Waiting > 5_000 {
						time.Sleep(time.Millisecond)
					}
				}
				it := s.Get()
				it.Key, it.Value, it.Time = append(it.Key, keys[i/20%len(keys)]...), append(it.Value, flows[i%len(flows)]...), now
				s.Send(0, it)
			}
			if err := s.Flush(context.Background()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/record")
			if c := s.Counters()[0]; c.Delivered != c.Accepted {
				b.Errorf("counters %+v", c)
			}
		})
	}
}

// flowRecord is a record as long and as compressible as most.
func flowRecord() []byte {
	return []byte(`{"type":"flow","schema":1,"record_id":"1-1700000000-4711-3","device":"198.51.100.7","device_name":"edge1.example.net","exporter_addr":"198.51.100.7","slot":3,` +
		`"time_received":"2026-11-14T22:13:20.123456789Z","time_exported":"2026-11-14T22:13:20Z","flow_protocol":"ipfix","observation_domain_id":1,"sequence_num":4711,"template_id":256,` +
		`"time_flow_start":"2026-11-14T22:13:10.001Z","time_flow_end":"2026-11-14T22:13:19.9Z","src_addr":"203.0.113.77","dst_addr":"192.0.2.145","src_port":443,"dst_port":51514,"proto":6,` +
		`"proto_name":"tcp","ip_version":4,"ip_tos":0,"tcp_flags":24,"bytes":145000,"packets":120,"sampling_rate":1000,"in_if":12,"out_if":34,"src_prefix":"203.0.113.0/24","src_as":64500,` +
		`"src_peer_as":64501,"src_as_path":[64501,64502,64500],"src_communities":["64501:100","64501:200"],"src_next_hop":"198.51.100.1","src_local_pref":100,"src_origin":"igp",` +
		`"src_rib":"loc-rib","dst_prefix":"192.0.2.0/24","dst_as":64510,"dst_peer_as":64510,"dst_as_path":[64510],"dst_next_hop":"198.51.100.9","dst_rib":"loc-rib","join_src":"hit","join_dst":"hit","rib_state":"synced","join_as_of":"flow-end"}`)
}

// flowRecords makes n records that differ in about as many digits as flows do, since equal ones would compress to nothing.
func flowRecords(n int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([][]byte, n)
	for i := range out {
		rec := flowRecord()
		for at := 300; at < len(rec); at++ { // the identity before that hardly changes
			if rec[at] >= '0' && rec[at] <= '9' && r.IntN(3) > 0 {
				rec[at] = byte('0' + r.IntN(10))
			}
		}
		out[i] = rec
	}
	return out
}

// BenchmarkHandover is Get and Send alone: records go into the line and the oldest is dropped.
func BenchmarkHandover(b *testing.B) {
	s := newKafka(b, KafkaConfig{Brokers: []string{fmt.Sprintf("127.0.0.1:%d", freeport.Get(b))}, BufferBytes: 4 << 20})
	flow := flowRecord()
	b.ReportAllocs()
	for b.Loop() {
		it := s.Get()
		it.Key, it.Value = append(it.Key, "198.51.100.7"...), append(it.Value, flow...)
		s.Send(0, it)
	}
}
