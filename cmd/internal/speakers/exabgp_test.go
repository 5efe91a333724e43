package speakers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

// injector is an ExaBGP that gives the speaker routes. Its commands are read from a file that grows.
type injector struct {
	*daemons.Process
	conf, commands string
}

const exabgpConfig = `
process inject { run /usr/bin/tail -n +1 -F %s; encoder text; }
neighbor %s {
  router-id %s;
  local-address %s;
  local-as %d;
  peer-as %d;
  family { ipv4 unicast; ipv6 unicast; ipv4 mpls-vpn; ipv6 mpls-vpn; ipv4 nlri-mpls; }
  capability { add-path %s; }
  api { processes [ inject ]; }
}
`

// startInjector starts a neighbour with the commands it begins with.
func startInjector(t *testing.T, addr string, as, speakerAS int, addPath string, commands ...string) *injector {
	t.Helper()
	dir := daemons.Dir(t)
	x := &injector{conf: filepath.Join(dir, "exabgp.conf"), commands: filepath.Join(dir, "commands")}
	text := fmt.Sprintf(exabgpConfig, x.commands, speakerAddr, addr, addr, as, speakerAS, addPath)
	if err := os.WriteFile(x.conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	x.say(t, commands...)
	x.start(t)
	return x
}

// start starts the process, again after Kill.
func (x *injector) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command("exabgp", x.conf)
	cmd.Env = append(os.Environ(), "exabgp.tcp.bind=", "exabgp.daemon.user=root", "exabgp.api.cli=false", "exabgp.api.ack=false")
	x.Process = daemons.StartCommand(t, cmd)
}

// say adds commands, one a line.
func (x *injector) say(t *testing.T, commands ...string) {
	t.Helper()
	f, err := os.OpenFile(x.commands, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Join(commands, "\n") + "\n"); err != nil {
		t.Fatal(err)
	}
}
