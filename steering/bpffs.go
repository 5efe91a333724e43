package steering

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// DefaultRoot is where groups are pinned unless a root is given.
	DefaultRoot = "/sys/fs/bpf/telcol"

	systemBPFFS = "/sys/fs/bpf"
)

// ensureRoot makes sure that root exists and lies in a bpffs. Where none is
// mounted it mounts one: at /sys/fs/bpf for roots below it, else at root itself.
func ensureRoot(root string) error {
	switch err := checkRoot(root); {
	case err == nil:
	case errors.Is(err, ErrNotMounted):
		if err := mountFor(root); err != nil {
			return err
		}
	default:
		return err
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return fmt.Errorf("steering root: %w", kind(err))
	}
	return nil
}

// checkRoot returns ErrNotMounted unless root, or the deepest of its parents that
// exists, lies in a bpffs.
func checkRoot(root string) error {
	for dir := root; ; dir = filepath.Dir(dir) {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if errors.Is(err, unix.ENOENT) && dir != "/" {
			continue
		}
		if err != nil {
			return fmt.Errorf("steering root %s: %w", dir, kind(err))
		}
		if st.Type != unix.BPF_FS_MAGIC {
			return fmt.Errorf("%w at %s", ErrNotMounted, root)
		}
		return nil
	}
}

func mountFor(root string) error {
	at := root
	if strings.HasPrefix(root, systemBPFFS+"/") {
		at = systemBPFFS
	} else if err := os.MkdirAll(at, 0o755); err != nil {
		return fmt.Errorf("%w: %w", ErrNotMounted, kind(err))
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("bpf", at, "bpf", flags, "mode=0755"); err != nil {
		return fmt.Errorf("%w: mount at %s: %w", ErrNotMounted, at, kind(err))
	}
	return nil
}

// openPath lets everyone pass through the directories from the bpffs down to
// root, without letting them look. systemd mounts bpffs with mode 0700, which
// would keep workers of another user from their own pins.
func openPath(root string) error {
	for dir := root; ; dir = filepath.Dir(dir) {
		var sfs unix.Statfs_t
		if err := unix.Statfs(dir, &sfs); err != nil {
			return fmt.Errorf("steering root %s: %w", dir, kind(err))
		}
		if sfs.Type != unix.BPF_FS_MAGIC {
			return nil
		}
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("steering root: %w", kind(err))
		}
		if info.Mode().Perm()&0o001 == 0 {
			if err := os.Chmod(dir, chmodBits(info.Mode())|0o011); err != nil {
				return fmt.Errorf("steering root: %w", kind(err))
			}
		}
	}
}

// chmodBits returns what os.Chmod must be given to keep a mode as it is.
func chmodBits(m fs.FileMode) fs.FileMode {
	return m.Perm() | m&(fs.ModeSticky|fs.ModeSetgid|fs.ModeSetuid)
}
