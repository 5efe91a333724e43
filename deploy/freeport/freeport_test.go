package freeport

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
)

// asked has the test process give ports to the one that started it, until that closes its standard input.
const asked = "TELCOL_TEST_FREEPORT"

const perProcess = size + 20 // of two blocks

// TestPortsAreOfOneProcess asks three processes for ports: none is given twice, and all are free.
func TestPortsAreOfOneProcess(t *testing.T) {
	if os.Getenv(asked) != "" {
		for range perProcess {
			fmt.Println("port", Get(t))
		}
		_, _ = os.Stdin.Read(make([]byte, 1))
		return
	}
	seen := make(map[int]bool)
	check := func(port int) {
		t.Helper()
		if seen[port] || port < first || port >= first+blocks*size {
			t.Errorf("port %d: given before %v", port, seen[port])
		}
		seen[port] = true
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			t.Error(err)
			return
		}
		l.Close()
	}
	for range 2 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPortsAreOfOneProcess$", "-test.v")
		cmd.Env = append(os.Environ(), asked+"=1")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			in.Close()
			cmd.Wait()
		})
		lines := bufio.NewScanner(out)
		for n := 0; n < perProcess && lines.Scan(); {
			var port int
			if _, err := fmt.Sscanf(lines.Text(), "port %d", &port); err == nil {
				check(port)
				n++
			}
		}
	}
	for range perProcess {
		check(Get(t))
	}
	if len(seen) != 3*perProcess {
		t.Errorf("%d ports, want %d", len(seen), 3*perProcess)
	}
}
