package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDecodeUse(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no capture"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{"decode", exitUsage, "which capture"},
		{"decode a b", exitUsage, "which capture"},
		{"decode --format xml -", exitUsage, "want text or json"},
		{"decode --port 0 -", exitUsage, "--port"},
		{"decode --device here -", exitUsage, "--device"},
		{"decode --template 12 -", exitUsage, "256"},
		{"decode --only sflow -", exitUsage, "want ipfix or bmp"},
		{"decode --only bmp --template 300 -", exitUsage, "template 300 of bmp"},
		{"decode /does/not/exist", exitRun, "/does/not/exist: no such file"},
		{"decode " + text, exitRun, "not a pcap or pcapng file"},
		{"decode -", exitRun, "standard input: not a pcap"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			e := env{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr}
			if code := run(context.Background(), e, strings.Fields(tc.args)); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			if !strings.Contains(stderr.String(), tc.want) || strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("says %q, want one line with %q", stderr.String(), tc.want)
			}
		})
	}
}
