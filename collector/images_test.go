package collector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const routesFile = "127.0.0.1" + imageSuffix

// warm runs a worker that learns the routes of a device, and stops it.
func warm(t *testing.T, dir string) {
	t.Helper()
	r := startTest(t, func(c *Config) { c.StateDir = dir })
	conn := r.announce(t)
	defer conn.Close()
	waitFor(t, "the routes", func() bool { return r.metrics(t)["telcol_rib_routes{}"] > 0 })
	r.stop(t)
}

// A worker that starts again answers at once with the routes of before, marked as stale.
func TestRoutesSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	warm(t, dir)
	r := startTest(t, func(c *Config) { c.StateDir = dir })
	r.send(t, flows(t, 0, 1))
	waitFor(t, "the record", func() bool { return r.metrics(t)[`telcol_ipfix_records_total{kind="data",}`] == 1 })
	r.stop(t)
	line := r.stdout.lines()[0]
	for _, want := range []string{`"join_dst":"hit"`, `"rib_state":"stale"`} {
		if !strings.Contains(line, want) {
			t.Errorf("record without %s: %s", want, line)
		}
	}
}

func TestDamagedRoutesAreSetAside(t *testing.T) {
	dir := t.TempDir()
	warm(t, dir)
	file := filepath.Join(dir, "default", "0", routesFile)
	image, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	image[len(image)/2] ^= 1
	if err := os.WriteFile(file, image, 0o600); err != nil {
		t.Fatal(err)
	}
	r := startTest(t, func(c *Config) { c.StateDir = dir })
	if n := r.metrics(t)["telcol_rib_routes{}"]; n != 0 {
		t.Errorf("%v routes of a damaged image", n)
	}
	r.stop(t)
	if _, err := os.Stat(file + badSuffix); err != nil || !strings.Contains(r.log.String(), "set aside") {
		t.Errorf("the file is not set aside: %v\n%s", err, r.log)
	}
}

// While a worker runs, images are written when routes have changed, not otherwise, and go when the routes have gone.
func TestRoutesAreSavedInTheBackground(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "default", "0", routesFile)
	r := startTest(t, func(c *Config) {
		c.StateDir, c.ImageInterval, c.BMP.StaleTimeout = dir, 50*time.Millisecond, 300*time.Millisecond
	})
	conn := r.announce(t)
	waitFor(t, "the image", func() bool { return r.metrics(t)[`telcol_state_images_total{result="written",}`] > 0 })
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	written := func() float64 { return r.metrics(t)[`telcol_state_images_total{result="written",}`] }
	// The dump may go on after the first image; then nothing changes.
	waitFor(t, "no further image", func() bool {
		n := written()
		time.Sleep(250 * time.Millisecond)
		return written() == n
	})
	conn.Close()
	waitFor(t, "the image to go", func() bool {
		_, err := os.Stat(file)
		return os.IsNotExist(err)
	})
	r.stop(t)
	for _, left := range []string{file, file + tempSuffix} {
		if _, err := os.Stat(left); !os.IsNotExist(err) {
			t.Errorf("%s is left", left)
		}
	}
}
