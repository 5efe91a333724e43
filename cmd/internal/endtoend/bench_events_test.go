package endtoend

import (
	"testing"
)

// BenchmarkRouteEvents measures the CPU time of one worker process for each route that BMP tells, from the TCP socket to the RIB, and with
// events on also to a Kafka-protocol broker, uncompressed JSON. The table has five routes an UPDATE, each with attributes of its own, which is the worst
// case: those of routers are shared by about twenty. Every event arrives. Run it with a fixed number of tables of 100 000 routes:
//
//	go test -run '^$' -bench RouteEvents -benchtime 10x ./cmd/internal/endtoend
func BenchmarkRouteEvents(b *testing.B) {
	_, stream := benchTable()
	for _, mode := range []string{"off", "all"} {
		b.Run("events="+mode, func(b *testing.B) {
			delivered, broker := countingBroker(b)
			w := startBenchWorker(b, false, "--kafka-brokers", broker, "--bmp-events", mode, "--bmp-events-overflow", "slow")
			const more = 4 // session up and down, Initiation, End-of-RIB
			tables := 0
			load := func() {
				tables++
				conn := dialBMP(b, w.bmp)
				if _, err := conn.Write(stream); err != nil {
					b.Fatal(err)
				}
				waitBench(b, func() bool { return w.value("telcol_bmp_end_of_rib_total") == float64(tables) })
				conn.Close()
				waitBench(b, func() bool { return mode == "off" || delivered.Load() == int64(tables*(benchRoutes+more)) })
			}
			load() // fills the RIB and the caches
			allocs, cpu := w.value("go_memstats_mallocs_total"), processCPU(b, w.pid)
			b.ResetTimer()
			for range b.N {
				load()
			}
			b.StopTimer()
			routes := float64(b.N) * benchRoutes
			b.ReportMetric((processCPU(b, w.pid)-cpu)/routes/1e3, "cpu-µs/route")
			b.ReportMetric((w.value("go_memstats_mallocs_total")-allocs)/routes, "allocs/route")
			if n := w.value("telcol_lost_total"); n > 0 {
				b.Errorf("%v lost", n)
			}
		})
	}
}
