package demo

import (
	"strings"
	"testing"
)

const page = `# HELP telcol_join_total Addresses of flows.
# TYPE telcol_join_total counter
telcol_join_total{result="hit",side="src",slot="0"} 10
telcol_join_total{result="hit-next-hop",side="dst",slot="0"} 20
telcol_join_total{result="no-prefix",side="dst",slot="0"} 5
telcol_rib_routes 1.5e+06
telcol_text{a="x, y=z",b=""} 1
`

func TestMetrics(t *testing.T) {
	m, err := parseMetrics(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"telcol_join_total", nil, 35},
		{"telcol_join_total", []string{"result=hit"}, 10},
		{"telcol_join_total", []string{"result=hit*"}, 30},
		{"telcol_join_total", []string{"result=hit*", "side=dst"}, 20},
		{"telcol_rib_routes", nil, 1_500_000},
		{"telcol_rib_routes", []string{"slot=0"}, 0},
		{"telcol_text", []string{"a=x, y=z", "b="}, 1},
		{"telcol_none", nil, 0},
	} {
		if got := m.sum(c.name, c.labels...); got != c.want {
			t.Errorf("%s %q: got %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	for _, bad := range []string{"name", "name x"} {
		if _, err := parseMetrics(strings.NewReader(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
