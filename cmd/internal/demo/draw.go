package demo

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// draw shows the state of the demo.
func (d *demo) draw() {
	now := time.Now()
	lines := []string{fmt.Sprintf("telcol demo, %v: %s, %s, %s", now.Sub(d.begun).Round(time.Second),
		count(len(d.workers), "worker"), count(len(d.fleet), "simulated router"), d.groupText()), ""}
	lines = append(lines, table(d.workers)...)
	lines = append(lines, "")
	bytes, shown := d.reader.state()
	tally, sent := d.checker.Tally(), d.fleet.Sent()
	lines = append(lines, fmt.Sprintf("topic %s: %s of %s flow records read back (%s MB), %s right, %s faults%s", topic, number(tally.Records),
		number(sent.Records), number(bytes>>20), number(tally.Right), number(tally.Bad()), d.pauseText()))
	for i := range maxSamples {
		line := ""
		if i < len(shown) {
			line = short(shown[i])
		}
		lines = append(lines, "  "+line)
	}
	lines = append(lines, "", fmt.Sprintf("Read it:  kcat -b %s -t %s -C -o end", d.broker.addr, topic))
	if d.group != nil {
		lines = append(lines, fmt.Sprintf("Ask:      telcol steering where %s --group %s", d.fleet[0].Device().Addr(), d.group.open.Name()))
	}
	if d.o.For == 0 {
		lines = append(lines, "Ctrl-C ends all of it.")
	}
	d.out.frame(lines, now)
}

func (d *demo) groupText() string {
	if d.group == nil {
		return "no steering"
	}
	return "steering group " + d.group.open.Name()
}

func (d *demo) pauseText() string {
	if d.paused {
		return ", flows pause until it is read"
	}
	return ""
}

// table lays out the workers' figures.
func table(workers []*worker) []string {
	const row = "%5s %8s %8s %9s %10s %10s %9s %13s"
	lines := []string{fmt.Sprintf(row, "slot", "pid", "devices", "sessions", "flows/s", "routes", "join hit", "kernel drops")}
	var rate float64
	for _, w := range workers {
		rate += w.rate
		lines = append(lines, figures(row, fmt.Sprint(w.slot), fmt.Sprint(w.pid), w.rate, []*worker{w}))
	}
	return append(lines, figures(row, "all", "", rate, workers))
}

func figures(row, slot, pid string, rate float64, of []*worker) string {
	value := func(name string) string { return number(int64(total(of, name))) }
	return fmt.Sprintf(row, slot, pid, value("telcol_devices"), value("telcol_bmp_sessions"), number(int64(rate+0.5)), value("telcol_rib_routes"),
		hits(of), value("telcol_intake_kernel_drops_total"))
}

// hits is the share of addresses that found their route.
func hits(of []*worker) string {
	all := total(of, "telcol_join_total")
	if all == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", 100*total(of, "telcol_join_total", "result=hit*")/all)
}

// short writes a record in one line.
func short(value []byte) string {
	var r struct {
		Slot    int      `json:"slot"`
		Name    string   `json:"device_name"`
		VRF     string   `json:"vrf_name"`
		Src     string   `json:"src_addr"`
		Dst     string   `json:"dst_addr"`
		Port    int      `json:"dst_port"`
		Proto   string   `json:"proto_name"`
		Prefix  string   `json:"dst_prefix"`
		Path    []uint32 `json:"dst_as_path"`
		NextHop string   `json:"dst_next_hop"`
		RIB     string   `json:"dst_rib"`
		Join    string   `json:"join_dst"`
	}
	if err := json.Unmarshal(value, &r); err != nil {
		return "not JSON: " + string(value)
	}
	vrf := ""
	if r.VRF != "" {
		vrf = " [" + r.VRF + "]"
	}
	flow := fmt.Sprintf("slot %d %s%s %s > %s %s/%d", r.Slot, r.Name, vrf, r.Src, r.Dst, r.Proto, r.Port)
	if r.Prefix == "" {
		return flow + ": " + r.Join
	}
	path := strings.Trim(fmt.Sprint(r.Path), "[]")
	return fmt.Sprintf("%s: %s by %s, AS %s (%s)", flow, r.Prefix, r.NextHop, path, r.RIB)
}
