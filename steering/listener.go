package steering

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Proto is a transport protocol: [UDP] or [TCP].
type Proto string

// The protocols a group can listen on.
const (
	UDP Proto = "udp"
	TCP Proto = "tcp"
)

// number returns the protocol's IP protocol number.
func (p Proto) number() int {
	if p == TCP {
		return unix.IPPROTO_TCP
	}
	return unix.IPPROTO_UDP
}

// Listener names one thing a group listens on.
type Listener struct {
	Proto Proto  `json:"proto"`
	Port  uint16 `json:"port"`
}

// String returns the listener as in "udp/4739".
func (l Listener) String() string { return fmt.Sprintf("%s/%d", l.Proto, l.Port) }

// ParseListener reads a listener as String writes it.
func ParseListener(s string) (Listener, error) {
	proto, port, ok := strings.Cut(s, "/")
	n, err := strconv.ParseUint(port, 10, 16)
	l := Listener{Proto(proto), uint16(n)}
	if !ok || err != nil {
		return Listener{}, fmt.Errorf("listener %q is not like udp/4739", s)
	}
	return l, l.validate()
}

func (l Listener) validate() error {
	if l.Proto != UDP && l.Proto != TCP {
		return fmt.Errorf("listener %s: protocol is udp or tcp", l)
	}
	if l.Port == 0 {
		return fmt.Errorf("listener %s: port 0 cannot be shared", l)
	}
	return nil
}

// dir is the name of the listener's directory of pins. Names in bpffs have no
// dots, and slashes are taken.
func (l Listener) dir() string { return fmt.Sprintf("%s-%d", l.Proto, l.Port) }

// listenerOfDir is the inverse of dir.
func listenerOfDir(name string) (Listener, bool) {
	l, err := ParseListener(strings.Replace(name, "-", "/", 1))
	return l, err == nil && l.dir() == name
}

// sortListeners orders UDP before TCP, then by port: the order in which slots are
// claimed and shown.
func sortListeners(ls []Listener) []Listener {
	ls = slices.Clone(ls)
	slices.SortFunc(ls, func(a, b Listener) int {
		return cmp.Or(-cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port))
	})
	return slices.Compact(ls)
}
