package deploy

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/telcol/telcol"

// mayImport is the picture of ARCHITECTURE.md. The longest folder that holds a package decides for it; a package may always
// import its own folder, and the values are folders too. Tests may import what they like.
var mayImport = map[string][]string{
	"cmd":                  {"collector", "correlate", "ipfix", "bmp", "steering"},
	"cmd/internal/daemons": {"deploy/freeport"}, // for tests
	"collector":            {"correlate", "ipfix", "bmp", "steering"},
	"collector/glass":      {"collector/record", "correlate", "ipfix"},
	"collector/intake":     nil,
	"collector/takeover":   nil,
	"collector/sink":       {"correlate/prefetch"},
	"collector/record":     {"correlate", "ipfix", "bmp"},
	"correlate":            {"ipfix", "bmp"},
	"correlate/prefetch":   nil,
	"correlate/rib":        {"correlate/prefetch"},
	"ipfix":                nil,
	"bmp":                  nil,
	"steering":             nil,
	"deploy":               nil,
}

type listedPackage struct {
	ImportPath string
	Imports    []string
}

// listPackages asks the go command; with -e, so that a package that does not build is judged as well.
func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var packages []listedPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listedPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func inFolder(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// ruleFor returns the folder whose rule holds for a package, "" when there is none.
func ruleFor(path string) string {
	best := ""
	for folder := range mayImport {
		if inFolder(path, folder) && len(folder) > len(best) {
			best = folder
		}
	}
	return best
}

func importAllowed(from, to string) bool {
	rule := ruleFor(from)
	return inFolder(to, rule) || slices.ContainsFunc(mayImport[rule], func(f string) bool { return inFolder(to, f) })
}

func TestImportsGoOneWay(t *testing.T) {
	packages := listPackages(t)
	if len(packages) < 8 {
		t.Fatalf("go list names %d packages, the design has more", len(packages))
	}
	for _, p := range packages {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		if ruleFor(from) == "" {
			t.Errorf("%s is in no folder of the design", from)
			continue
		}
		for _, path := range p.Imports {
			if to, ours := strings.CutPrefix(path, module+"/"); ours && !importAllowed(from, to) {
				t.Errorf("%s imports %s, against the picture of ARCHITECTURE.md", from, to)
			}
		}
	}
}

func TestImportAllowed(t *testing.T) {
	tests := []struct {
		name     string
		from, to string
		want     bool
	}{
		{"the command uses the worker", "cmd/telcol", "collector", true},
		{"the command uses its own parts", "cmd/telcol", "cmd/internal/settings", true},
		{"the worker builds its parts", "collector", "collector/sink", true},
		{"a part does not know the worker", "collector/sink", "collector", false},
		{"parts do not know each other", "collector/intake", "collector/record", false},
		{"the looking glass knows the join", "collector/glass", "correlate/rib", true},
		{"the looking glass shows templates", "collector/glass", "ipfix", true},
		{"the looking glass does not read bmp", "collector/glass", "bmp", false},
		{"the looking glass does not know the worker", "collector/glass", "collector", false},
		{"record knows the join", "collector/record", "correlate/rib", true},
		{"the join does not know record", "correlate", "collector/record", false},
		{"the join knows the codecs", "correlate", "bmp/bgp", true},
		{"routes do not know bmp", "correlate/rib", "bmp", false},
		{"routes do not know the join", "correlate/rib", "correlate", false},
		{"routes are fetched early", "correlate/rib", "correlate/prefetch", true},
		{"the sink does not know the join", "collector/sink", "correlate", false},
		{"codecs do not know each other", "ipfix", "bmp", false},
		{"a codec has parts", "bmp", "bmp/bgp", true},
		{"a name that only begins alike", "bmp", "bmpx", false},
		{"steering knows nobody", "steering", "collector", false},
		{"tests are helped", "cmd/internal/daemons", "deploy/freeport", true},
		{"the command needs no help of tests", "cmd/telcol", "deploy/freeport", false},
		{"nor does the worker", "collector", "deploy/freeport", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := importAllowed(tt.from, tt.to); got != tt.want {
				t.Errorf("importAllowed(%s, %s) = %v, want %v", tt.from, tt.to, got, tt.want)
			}
		})
	}
}

func TestTopLevelHoldsOnlyTheDesign(t *testing.T) {
	allowed := []string{
		"ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "go.mod", "go.sum",
		"bmp", "bpf", "cmd", "collector", "correlate", "deploy", "ipfix", "steering",
		"bin", // what `make build` leaves, ignored by git
	}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s does not belong at the top of the repository", e.Name())
		}
	}
}
