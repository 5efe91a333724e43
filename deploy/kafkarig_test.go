package deploy

import (
	"bytes"
	"encoding/base64"
	"os/exec"
	"testing"
)

// TestClusterID has the rig make an id of all values that the first byte can have: those that begin with "-" stop
// kafka-storage, which is one start of a broker in 64.
func TestClusterID(t *testing.T) {
	for first := range 256 {
		random := append([]byte{byte(first)}, bytes.Repeat([]byte{0xfb}, 40)...)
		cmd := exec.CommandContext(t.Context(), "bash", "-c", ". kafka-rig/rig.sh && cluster_id")
		cmd.Stdin = bytes.NewReader(random)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		id := string(bytes.TrimSpace(out))
		if raw, err := base64.RawURLEncoding.DecodeString(id); err != nil || len(raw) != 16 {
			t.Errorf("%q is no base64 of 16 bytes", id)
		}
		if id[0] == '-' {
			t.Errorf("%q begins with a dash", id)
		}
	}
}
