// Package leaks runs the tests of a package and makes sure that they leave no goroutine behind. It lies here, where no part of the program may
// import it from, since the tests of several packages share it.
package leaks

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines have to end. goleak itself waits for a second, in which a busy machine does not end them all; tests that
// leave none wait for none of it.
const patience = 2 * time.Minute

// Main runs the tests and returns the exit code for TestMain.
func Main(m *testing.M) int {
	if code := m.Run(); code != 0 {
		return code
	}
	err := goleak.Find()
	for end := time.Now().Add(patience); err != nil && time.Now().Before(end); {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
