package daemons

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// binary builds telcol once for all tests of this process.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(envBinary); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "telcol-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "telcol")
	cmd := exec.Command("go", "build", "-o", path, "github.com/telcol/telcol/cmd/telcol")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	built = dir
	return path, nil
})

// built is the folder to remove at the end.
var built string

// Main runs the tests of a package and removes the binary that was built for them. It is what TestMain calls.
func Main(m *testing.M) int {
	defer func() {
		if built != "" {
			os.RemoveAll(built)
		}
	}()
	return m.Run()
}

// Binary gives the path of telcol's binary, built from the sources at hand.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Telcol runs a command of telcol to its end and returns what it printed.
func Telcol(t testing.TB, args ...string) string {
	t.Helper()
	return Run(t, Binary(t), args...)
}

// Dir makes a folder for the files and sockets of daemons: with a short path, as the names of sockets must be, and open to
// the users that daemons become. It is removed with the test.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "d")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}
