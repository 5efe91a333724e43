package compose

import (
	"fmt"
	"maps"
	"os/exec"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/telcol/telcol/collector"
)

const slots = 4

func load(t *testing.T) *types.Project {
	t.Helper()
	// Nothing of the environment: the file must stand on its own.
	options, err := cli.NewProjectOptions([]string{"compose.yaml"}, cli.WithEnv(nil), cli.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func service(t *testing.T, p *types.Project, name string) types.ServiceConfig {
	t.Helper()
	s, err := p.GetService(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// flag returns the value of --name in a command, "" when it is not there.
func flag(command []string, name string) string {
	if i := slices.Index(command, "--"+name); i >= 0 && i+1 < len(command) {
		return command[i+1]
	}
	return ""
}

// workers returns the services that run `telcol worker`, by name.
func workers(p *types.Project) []types.ServiceConfig {
	var found []types.ServiceConfig
	for _, name := range p.ServiceNames() {
		if s := p.Services[name]; len(s.Command) > 0 && s.Command[0] == "worker" {
			found = append(found, s)
		}
	}
	return found
}

func environment(t *testing.T, s types.ServiceConfig, name string) string {
	t.Helper()
	value := s.Environment[name]
	if value == nil {
		t.Fatalf("%s has no value for %s", s.Name, name)
	}
	return *value
}

// bpffs returns where a service sees the host's bpffs, "" when it does not.
func bpffs(s types.ServiceConfig) string {
	for _, v := range s.Volumes {
		if v.Source == "/sys/fs/bpf" && v.Type == types.VolumeTypeBind && !v.ReadOnly {
			return v.Target
		}
	}
	return ""
}

func TestWorkersHaveTheSlotsOfTheGroup(t *testing.T) {
	p := load(t)
	loader := service(t, p, "steering")
	if got := flag(loader.Command, "slots"); got != strconv.Itoa(slots) {
		t.Errorf("the loader makes a group of %q slots, want %d", got, slots)
	}
	taken := make(map[string]string)
	for _, w := range workers(p) {
		slot := flag(w.Command, "slot")
		if other, twice := taken[slot]; twice {
			t.Errorf("%s and %s have slot %s", other, w.Name, slot)
		}
		taken[slot] = w.Name
		if got, want := environment(t, w, "TELCOL_GROUP"), flag(loader.Command, "group"); got != want {
			t.Errorf("%s is of group %q, the loader makes %q", w.Name, got, want)
		}
		if got, want := environment(t, w, "TELCOL_HTTP"), "0.0.0.0:808"+slot; got != want {
			t.Errorf("%s serves HTTP on %s, want %s", w.Name, got, want)
		}
		if got, want := flag(w.HealthCheck.Test, "http"), "127.0.0.1:808"+slot; got != want {
			t.Errorf("the health check of %s asks %s, want %s", w.Name, got, want)
		}
	}
	if got, want := slices.Sorted(maps.Keys(taken)), []string{"0", "1", "2", "3"}; !slices.Equal(got, want) {
		t.Errorf("slots %v, want %v", got, want)
	}
}

func TestWorkersShareNamespaceAndBPFFS(t *testing.T) {
	p := load(t)
	loader := service(t, p, "steering")
	if bpffs(loader) != "/sys/fs/bpf" {
		t.Error("the loader does not see the host's bpffs")
	}
	for _, w := range workers(p) {
		if w.NetworkMode != "service:net" {
			t.Errorf("%s has network %q: workers of different namespaces never share a port", w.Name, w.NetworkMode)
		}
		if bpffs(w) != bpffs(loader) {
			t.Errorf("%s does not see the pins of the loader", w.Name)
		}
		for name, want := range map[string]string{
			"net":      types.ServiceConditionStarted,
			"steering": types.ServiceConditionCompletedSuccessfully,
			"kafka":    types.ServiceConditionStarted,
		} {
			if got := w.DependsOn[name].Condition; got != want {
				t.Errorf("%s waits for %s %q, want %q", w.Name, name, got, want)
			}
		}
	}
	// The namespace of a service that restarts is another one.
	if net := service(t, p, "net"); net.Restart != types.RestartPolicyUnlessStopped || len(net.DependsOn) != 0 {
		t.Error("net must stay up by itself: the workers live in its namespace")
	}
	if routers := service(t, p, "routers"); routers.NetworkMode != "service:net" {
		t.Error("the routers have loopback addresses, which reach the workers in their own namespace only")
	}
}

func TestOnlyTheLoaderIsPrivileged(t *testing.T) {
	p := load(t)
	for _, s := range p.Services {
		caps := slices.Sorted(slices.Values(s.CapAdd))
		var want []string
		switch {
		case s.Name == "steering":
			want = []string{"BPF", "CHOWN", "DAC_OVERRIDE", "FOWNER", "PERFMON"}
		case strings.HasPrefix(s.Name, "worker-"):
			want = []string{"BPF"} // for seccomp; see the comment in the file
			if s.User != "" {
				t.Errorf("%s runs as %q, want the user of the image, who holds no capability", s.Name, s.User)
			}
		}
		if !slices.Equal(caps, want) {
			t.Errorf("%s has capabilities %v, want %v", s.Name, caps, want)
		}
		if s.Name != "kafka" && !slices.Equal(s.CapDrop, []string{"ALL"}) {
			t.Errorf("%s keeps the capabilities of Docker's default", s.Name)
		}
		if s.Privileged || s.Pid == "host" || s.NetworkMode == "host" || s.UserNSMode == "host" {
			t.Errorf("%s has more of the host than its part", s.Name)
		}
	}
}

func TestUserOfTheGroupIsTheUserOfTheImage(t *testing.T) {
	user := flag(service(t, load(t), "steering").Command, "user")
	for _, file := range []string{"Dockerfile", "Dockerfile.binary"} {
		if got := instruction(t, file, "USER"); got != user {
			t.Errorf("%s runs as %q, the group is given to %q", file, got, user)
		}
	}
}

func TestBrokerAddresses(t *testing.T) {
	p := load(t)
	kafka := service(t, p, "kafka")
	advertised := make(map[string]string)
	for l := range strings.SplitSeq(environment(t, kafka, "KAFKA_ADVERTISED_LISTENERS"), ",") {
		name, address, _ := strings.Cut(l, "://")
		advertised[name] = address
	}
	protocols := environment(t, kafka, "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP")
	for l := range strings.SplitSeq(environment(t, kafka, "KAFKA_LISTENERS"), ",") {
		name, address, _ := strings.Cut(l, "://")
		if !strings.Contains(protocols, name+":PLAINTEXT") {
			t.Errorf("listener %s has no protocol", name)
		}
		if a := advertised[name]; a != "" && !strings.HasSuffix(a, address) {
			t.Errorf("listener %s is on %s and advertised as %s", name, address, a)
		}
	}
	for _, w := range workers(p) {
		if got := environment(t, w, "TELCOL_KAFKA_BROKERS"); got != advertised["INTERNAL"] {
			t.Errorf("%s produces to %s, the broker is %s", w.Name, got, advertised["INTERNAL"])
		}
	}
	if host, _, _ := strings.Cut(advertised["INTERNAL"], ":"); host != kafka.Name {
		t.Errorf("the stack's listener is advertised as %s, the service is called %s", host, kafka.Name)
	}
	if want := published(kafka, 9092); "localhost:"+want != advertised["HOST"] {
		t.Errorf("the host reaches port %s, advertised is %s", want, advertised["HOST"])
	}
}

func published(s types.ServiceConfig, target uint32) string {
	for _, p := range s.Ports {
		if p.Target == target {
			return p.Published
		}
	}
	return ""
}

func TestPublishedPortsAreTheWorkersDefaults(t *testing.T) {
	p := load(t)
	net, c := service(t, p, "net"), collector.Default()
	for _, l := range []struct{ listen, protocol string }{{c.ListenIPFIX, "udp"}, {c.ListenBMP, "tcp"}} {
		port := l.listen[strings.LastIndex(l.listen, ":")+1:]
		if !slices.ContainsFunc(net.Ports, func(p types.ServicePortConfig) bool {
			return fmt.Sprint(p.Target) == port && p.Published == port && p.Protocol == l.protocol && p.HostIP == ""
		}) {
			t.Errorf("%s %s is not published to routers", l.protocol, port)
		}
	}
	for slot := range slots {
		if published(net, uint32(8080+slot)) == "" {
			t.Errorf("HTTP of slot %d is not published", slot)
		}
	}
	for _, w := range workers(p) {
		if len(w.Ports) != 0 {
			t.Errorf("%s publishes ports; they belong to net, whose namespace it is", w.Name)
		}
	}
}

// TestEnvironmentNamesSettings holds the TELCOL_ variables against the fields of the worker's configuration: it refuses to
// start with one that it does not know.
func TestEnvironmentNamesSettings(t *testing.T) {
	known := make(map[string]bool)
	var walk func(prefix string, s reflect.Type)
	walk = func(prefix string, s reflect.Type) {
		for i := range s.NumField() {
			f := s.Field(i)
			name := prefix + "_" + strings.ToUpper(strings.ReplaceAll(f.Tag.Get("yaml"), "-", "_"))
			if f.Type.Kind() == reflect.Struct {
				walk(name, f.Type)
			}
			known[name] = true
		}
	}
	walk("TELCOL", reflect.TypeFor[collector.Config]())
	for _, w := range workers(load(t)) {
		for name := range w.Environment {
			if strings.HasPrefix(name, "TELCOL_") && !known[name] {
				t.Errorf("%s: %s is no setting", w.Name, name)
			}
		}
	}
}

func TestEveryServiceIsBounded(t *testing.T) {
	p := load(t)
	for _, s := range p.Services {
		oneshot := s.Restart == types.RestartPolicyNo
		if !oneshot && (s.Deploy == nil || s.Deploy.Resources.Limits == nil || s.Deploy.Resources.Limits.MemoryBytes == 0) {
			t.Errorf("%s has no limit of memory", s.Name)
		}
		if s.Restart == "" {
			t.Errorf("%s does not say whether it restarts", s.Name)
		}
		if s.Name == "kafka" || strings.HasPrefix(s.Name, "worker-") {
			if s.HealthCheck == nil || len(s.HealthCheck.Test) == 0 {
				t.Errorf("%s has no health check", s.Name)
			}
		}
		if s.Build != nil && path.Base(s.Build.Dockerfile) != "Dockerfile" {
			t.Errorf("%s is built by %s", s.Name, s.Build.Dockerfile)
		}
	}
	drain := collector.Default().DrainAfter
	for _, w := range workers(p) {
		if w.StopGracePeriod == nil || w.StopGracePeriod.String() == "" || int64(*w.StopGracePeriod) <= int64(drain) {
			t.Errorf("%s is killed after %v, before it has delivered (%v)", w.Name, w.StopGracePeriod, drain)
		}
	}
}

// TestCommandsExist has the binary read each command of the stack: an unknown command or flag is an error even with --help.
func TestCommandsExist(t *testing.T) {
	bin := buildBinary(t)
	for _, s := range load(t).Services {
		if s.Build == nil {
			continue
		}
		run(t, nil, bin, append(s.Command, "--help")...)
		if s.HealthCheck != nil {
			run(t, nil, bin, append(s.HealthCheck.Test[2:], "--help")...)
		}
	}
	cmd := exec.CommandContext(t.Context(), bin, "worker", "--no-such-flag", "--help")
	if cmd.Run() == nil {
		t.Error("an unknown flag passes beside --help, so this test proves nothing")
	}
}
