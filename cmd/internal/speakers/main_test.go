package speakers

import (
	"os"
	"testing"

	"github.com/telcol/telcol/cmd/internal/daemons"
)

func TestMain(m *testing.M) { os.Exit(daemons.Main(m)) }
