package simrouter

import "time"

// grace is how long after a change of a route an answer with the attributes before it is right: the change travels over TCP, and
// flows that ended before it may be joined with the route of then.
const grace = 5 * time.Second

// changes follows the changing and flapping routes of a table, one of each in a cycle.
type changes struct {
	versions []version // of the changing routes
	when     []int64   // of their last change, Unix nanoseconds
	away     []bool    // the flapping routes that are withdrawn
}

func newChanges(routes int) changes {
	n := (routes + cycle - 1) / cycle
	return changes{versions: make([]version, n), when: make([]int64, n), away: make([]bool, n)}
}

// versionOf gives the version of route i, and when it began.
func (c *changes) versionOf(i int) (v version, since int64) {
	if i%cycle != changing {
		return 0, 0
	}
	return c.versions[i/cycle], c.when[i/cycle]
}

// withdrawn reports whether route i is away at present.
func (c *changes) withdrawn(i int) bool { return i%cycle == flapping && c.away[i/cycle] }
