package daemons

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/telcol/telcol/deploy/freeport"
)

// Worker is a worker process of telcol.
type Worker struct {
	*Process
	// HTTP is the address of its metrics.
	HTTP string
	// Stdout is the file of what it printed: the records, with --sink stdout.
	Stdout string
}

// StartWorker starts telcol worker with these arguments, and --http on a free port if that is not among them. It does not
// wait; see WaitReady.
func StartWorker(t testing.TB, args ...string) *Worker {
	t.Helper()
	if !slices.Contains(args, "--http") {
		args = append(args, "--http", fmt.Sprintf("127.0.0.1:%d", freeport.Get(t)))
	}
	w := &Worker{HTTP: args[slices.Index(args, "--http")+1]}
	out, err := os.CreateTemp(t.TempDir(), "stdout-*.json")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w.Stdout = out.Name()
	cmd := exec.Command(Binary(t), append([]string{"worker"}, args...)...)
	cmd.Stdout = out
	w.Process = StartCommand(t, cmd)
	return w
}

// WaitReady waits until /readyz says so.
func (w *Worker) WaitReady(t testing.TB) {
	t.Helper()
	Eventually(t, "worker to be ready", func() error {
		if err := w.Err(); err != nil {
			t.Fatal(err)
		}
		body, code, err := Get("http://" + w.HTTP + "/readyz")
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("status %d: %s", code, body)
		}
		return err
	})
}

// unanswered is what a worker says of a scrape that its owner of the devices did not answer in time: few metrics are there then.
var unanswered = regexp.MustCompile(`(?m)^telcol_up(\{[^}]*\})? 0$`)

// Metric reads one metric; labels are names and values in turn, and what differs in labels not named is added up.
// A metric that is not there at all fails the test.
func (w *Worker) Metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	var body string
	Eventually(t, "the owner of the devices to answer the scrape", func() (err error) { // it may take its time on a busy machine
		if body, _, err = Get("http://" + w.HTTP + "/metrics"); err != nil {
			t.Fatal(err)
		}
		if unanswered.MatchString(body) {
			return errors.New("telcol_up is 0")
		}
		return nil
	})
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if families[name] == nil {
		t.Fatalf("the worker has no metric %s", name)
	}
	var sum float64
	for _, m := range families[name].GetMetric() {
		has := make(map[string]string)
		for _, l := range m.GetLabel() {
			has[l.GetName()] = l.GetValue()
		}
		ok := true
		for i := 0; i+1 < len(labels); i += 2 {
			ok = ok && has[labels[i]] == labels[i+1]
		}
		if ok {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// Lines reads the records that the worker has printed so far, one JSON object each.
func (w *Worker) Lines(t testing.TB) []string {
	t.Helper()
	b, err := os.ReadFile(w.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	return slices.Collect(strings.Lines(text[:strings.LastIndexByte(text, '\n')+1]))
}
