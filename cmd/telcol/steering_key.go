package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/telcol/telcol/steering"
)

// readKey reads the key of a group: 32 hexadecimal digits and a newline. No file, no key.
func readKey(file string) (*steering.Key, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(b) != len(steering.Key{}) {
		return nil, usagef("key file %s does not hold a key, 32 hexadecimal digits", file)
	}
	k := steering.Key(b)
	return &k, nil
}

// writeKey writes a key to a file that does not exist; a crash leaves all of it or none.
func writeKey(file string, key steering.Key) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("key file, the group is ready without it: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintln(f, hex.EncodeToString(key[:]))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Link(f.Name(), file) // never over another one
	}
	if err != nil {
		return fmt.Errorf("key file, the group is ready without it: %w", err)
	}
	return nil
}
