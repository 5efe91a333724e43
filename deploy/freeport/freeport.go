// Package freeport finds ports for the listeners of tests that must know them beforehand. It lies here, where no part of the program may import
// it from, since the tests of all packages share it.
//
// The ports are below those that the kernel gives to sockets that ask for none (net.ipv4.ip_local_port_range): one of those that is free now
// may belong to a connection a moment later. They are given in blocks, each to one process, so that a port stays free while
// nobody listens on it: a test of another package, which runs at the same time, does not take it.
package freeport

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
)

const (
	first  = 15_000
	blocks = 170
	size   = 100 // ports of a block
)

// block is the block of this process that ports are taken from, and the sign that it is.
var block struct {
	mu   sync.Mutex
	next int // port
	left int // ports that were not looked at
	held []io.Closer
}

// Get finds a port that nobody uses on any local address, for UDP and for TCP: a listener for IPFIX is both. It gives none twice.
func Get(t testing.TB) int {
	t.Helper()
	block.mu.Lock()
	defer block.mu.Unlock()
	for looked := 0; looked < blocks*size; looked++ {
		if block.left == 0 && !claim() {
			break
		}
		port := block.next
		block.next++
		block.left--
		if free(port) {
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// claim takes a block that no process has. The sign is a socket without a file, which ends with the process and is of the same network
// namespace as the ports. Other systems than Linux have none; there the blocks of two processes may be one.
func claim() bool {
	from := rand.IntN(blocks)
	for i := range blocks {
		n := (from + i) % blocks
		if runtime.GOOS == "linux" {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: fmt.Sprintf("@telcol test ports %d", n)})
			if err != nil {
				continue
			}
			block.held = append(block.held, l)
		}
		block.next, block.left = first+n*size, size
		return true
	}
	return false
}

func free(port int) bool {
	c, err := net.ListenUDP("udp", &net.UDPAddr{Port: port})
	if err != nil {
		return false
	}
	defer c.Close()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{Port: port})
	if err != nil {
		return false
	}
	l.Close()
	return true
}
