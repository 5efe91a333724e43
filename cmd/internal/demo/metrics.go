package demo

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// sample is one line of a metrics page.
type sample struct {
	name   string
	labels map[string]string
	value  float64
}

// metrics is a metrics page of a worker.
type metrics []sample

// scrape reads a worker's metrics.
func scrape(ctx context.Context, addr string) (metrics, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	body, err := get(ctx, "http://"+addr+"/metrics")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return parseMetrics(body)
}

func get(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	return resp.Body, nil
}

// parseMetrics reads the text format of Prometheus as far as telcol writes it: no time stamps, no escapes in label values.
func parseMetrics(r io.Reader) (metrics, error) {
	var m metrics
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := parseSample(line)
		if err != nil {
			return nil, err
		}
		m = append(m, s)
	}
	return m, lines.Err()
}

func parseSample(line string) (sample, error) {
	at := strings.LastIndexByte(line, ' ')
	if at < 0 {
		return sample{}, fmt.Errorf("metric without a value: %q", line)
	}
	value, err := strconv.ParseFloat(line[at+1:], 64)
	if err != nil {
		return sample{}, fmt.Errorf("metric %q: %w", line, err)
	}
	name, rest, labelled := strings.Cut(strings.TrimSpace(line[:at]), "{")
	s := sample{name: name, value: value}
	if !labelled {
		return s, nil
	}
	s.labels = make(map[string]string)
	for pair := range strings.SplitSeq(strings.TrimSuffix(rest, "}"), `",`) {
		k, v, _ := strings.Cut(pair, `="`)
		s.labels[k] = strings.TrimSuffix(v, `"`)
	}
	return s, nil
}

// sum adds the samples of a name whose labels hold all the given ones, written name=value. A value may end in * for any ending.
func (m metrics) sum(name string, labels ...string) (total float64) {
	for i := range m {
		if m[i].name == name && m[i].has(labels) {
			total += m[i].value
		}
	}
	return total
}

func (s *sample) has(labels []string) bool {
	for _, l := range labels {
		k, want, _ := strings.Cut(l, "=")
		got := s.labels[k]
		prefix, open := strings.CutSuffix(want, "*")
		if got != want && (!open || !strings.HasPrefix(got, prefix)) {
			return false
		}
	}
	return true
}
