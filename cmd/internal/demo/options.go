package demo

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"time"

	"github.com/telcol/telcol/steering"
)

// Options say how large the demo is.
type Options struct {
	Workers int
	Routers int
	Routes  int           // in the global table of each router
	Rate    float64       // flow records a second, of all routers
	For     time.Duration // end after so long; 0 goes on until the context ends
}

// Default is the demo of `make demo`.
func Default() Options {
	return Options{Workers: 4, Routers: 24, Routes: 2000, Rate: 2400}
}

// Env is what the demo takes from its surroundings.
type Env struct {
	Out      io.Writer
	Terminal bool       // Out redraws in place
	Width    func() int // of the terminal, 0 when unknown; may be nil
	// Worker makes the process of a worker from the arguments behind "telcol". The demo sets its outputs.
	Worker func(args ...string) *exec.Cmd
}

// ErrOptions reports options that make no sense.
var ErrOptions = errors.New("demo")

// ErrWrong reports a run in which records were lost, misplaced or not joined as they should be.
var ErrWrong = errors.New("the demo found faults")

// maxRate is more than one machine can generate, join and check at a time.
const maxRate = 1_000_000

func (o *Options) validate() error {
	switch {
	case o.Workers < 1 || o.Workers > steering.MaxSlots:
		return fmt.Errorf("%w: %d workers, want 1 to %d", ErrOptions, o.Workers, steering.MaxSlots)
	case math.IsNaN(o.Rate) || o.Rate <= 0 || o.Rate > maxRate:
		return fmt.Errorf("%w: a rate of %v, want more than 0 and at most %d flow records a second", ErrOptions, o.Rate, maxRate)
	case o.For < 0:
		return fmt.Errorf("%w: a length of %v", ErrOptions, o.For)
	}
	return nil
}
