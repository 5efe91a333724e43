package endtoend

import (
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/telcol/telcol/cmd/internal/daemons"
	"github.com/telcol/telcol/deploy/freeport"
)

// TestAnyPort lets the kernel choose the port for IPFIX where half of those that it has to give are taken for TCP.
func TestAnyPort(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40031"), 0); err != nil {
		t.Fatal(err)
	}
	for port := 40000; port < 40032; port += 2 {
		taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
	}
	for range 5 {
		w := daemons.StartWorker(t, "--slot", "0", "--steering", "off", "--sink", "stdout",
			"--listen-ipfix", "127.0.0.1:0", "--listen-bmp", fmt.Sprintf("127.0.0.1:%d", freeport.Get(t)))
		w.WaitReady(t)
		w.Stop(t)
	}
}
