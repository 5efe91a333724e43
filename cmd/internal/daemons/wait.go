package daemons

import (
	"io"
	"net/http"
	"testing"
	"time"
)

// Patience is how long tests wait for what is to happen. It is long beside what that takes on any machine, however busy: a test that passes
// does not wait for it. Some daemons do nothing for a minute: ExaBGP waits longer and longer between its attempts to connect, and FRR refuses
// those that come too soon after a session was lost.
const Patience = 2 * time.Minute

// Eventually polls until f returns nil, which must be within Patience; what names what is waited for.
func Eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	late := time.NewTimer(Patience) // and no context of the test's, which has ended where a cleanup waits
	defer late.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var err error
	for {
		if err = f(); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("waited %v for %s: %v", Patience, what, err)
		}
	}
}

// Get gets a page.
func Get(url string) (body string, code int, err error) {
	c := http.Client{Timeout: Patience / 2}
	resp, err := c.Get(url)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), resp.StatusCode, err
}
