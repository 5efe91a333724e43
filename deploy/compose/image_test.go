package compose

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// instruction returns the argument of the last line of a Dockerfile that begins with name.
func instruction(t *testing.T, file, name string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := ""
	for line := range strings.Lines(string(text)) {
		if arg, ok := strings.CutPrefix(line, name+" "); ok {
			found = strings.TrimSpace(arg)
		}
	}
	return found
}

// buildBinary makes the static binary as the Makefile does, in a directory of the test.
func buildBinary(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "telcol")
	run(t, []string{"CGO_ENABLED=0"}, "go", "build", "-o", bin, "../../cmd/telcol")
	return bin
}

// run runs a command to its end and returns its standard output.
func run(t *testing.T, environ []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), environ...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String()
}

// requireBuildah skips a test that builds an image, unless skips are forbidden.
func requireBuildah(t *testing.T) {
	t.Helper()
	lacks := ""
	if _, err := exec.LookPath("buildah"); err != nil {
		lacks = "buildah is not here (apt-get install buildah)"
	} else if os.Geteuid() != 0 {
		lacks = "not root, whom buildah needs to run what it has built"
	}
	switch {
	case lacks == "":
	case os.Getenv("TELCOL_REQUIRE_BUILDAH") == "1":
		t.Fatalf("%s, and TELCOL_REQUIRE_BUILDAH=1 forbids to skip", lacks)
	default:
		t.Skip(lacks)
	}
}

func TestBothImagesAreRunAlike(t *testing.T) {
	for _, name := range []string{"FROM", "USER", "ENTRYPOINT", "CMD"} {
		if a, b := instruction(t, "Dockerfile", name), instruction(t, "Dockerfile.binary", name); a != b || a == "" {
			t.Errorf("%s is %q in Dockerfile and %q in Dockerfile.binary", name, a, b)
		}
	}
}

// TestGoOfTheDockerfile holds the builder's Go against that of the module.
func TestGoOfTheDockerfile(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(string(mod), "\ngo ")
	version, _, _ = strings.Cut(version, "\n")
	minor := strings.Join(strings.SplitN(version, ".", 3)[:2], ".")
	if want := "FROM golang:" + minor + " AS build\n"; !strings.Contains(string(text), want) {
		t.Errorf("go.mod wants Go %s, the Dockerfile has no line %q", version, want)
	}
}

func TestImage(t *testing.T) {
	requireBuildah(t)
	bin := buildBinary(t)
	// A store of the test's own, and vfs, which needs no mount of a kind that containers may not make.
	store := []string{"--root", filepath.Join(t.TempDir(), "root"), "--runroot", filepath.Join(t.TempDir(), "runroot"), "--storage-driver", "vfs"}
	buildah := func(args ...string) string {
		return run(t, nil, "buildah", append(store[:len(store):len(store)], args...)...)
	}

	buildah("bud", "--isolation", "chroot", "-f", "Dockerfile.binary", "-t", "telcol:test", filepath.Dir(bin))
	var image struct {
		OCIv1 struct {
			Config struct {
				User       string
				Entrypoint []string
			} `json:"config"`
		}
	}
	if err := json.Unmarshal([]byte(buildah("inspect", "--type", "image", "telcol:test")), &image); err != nil {
		t.Fatal(err)
	}
	c := image.OCIv1.Config
	if want := instruction(t, "Dockerfile.binary", "USER"); c.User != want {
		t.Errorf("user %q, want %q", c.User, want)
	}
	if len(c.Entrypoint) != 1 || c.Entrypoint[0] != "/telcol" {
		t.Errorf("entry point %q, want /telcol", c.Entrypoint)
	}

	// The binary in the image runs with nothing else around it.
	container := strings.TrimSpace(buildah("from", "--pull-never", "telcol:test"))
	out := buildah("run", "--isolation", "chroot", container, "--", "/telcol", "--help")
	if !strings.Contains(out, "worker") {
		t.Errorf("telcol --help in the image says %q", out)
	}
}
