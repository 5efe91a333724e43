package settings

import (
	"maps"
	"os"
	"slices"

	"github.com/telcol/telcol/collector"
)

// Sources says where settings are read from.
type Sources struct {
	File    string            // --config; "" reads the file that TELCOL_CONFIG names, if any
	Environ []string          // as os.Environ gives it
	Flags   map[string]string // the flags that were given, by name without dashes

	ReadFile func(name string) ([]byte, error) // os.ReadFile when nil
}

// Settings are the effective values and where each came from.
type Settings struct {
	Config collector.Config

	keys   []Key
	origin map[string]string // by path; keys at their default are missing
}

// Error is a setting that cannot be read. It matches [collector.ErrConfig].
type Error struct {
	Where string // the flag, variable, or file and line
	What  string
}

func (e *Error) Error() string { return e.Where + ": " + e.What }

// Is makes every Error a configuration error.
func (e *Error) Is(target error) bool { return target == collector.ErrConfig }

// Load reads defaults, file, environment and flags, the later over the earlier. It checks names and types; whether the whole
// makes sense is for [collector.Config.Validate].
func Load(src Sources) (*Settings, error) {
	s := &Settings{Config: collector.Default(), keys: Keys(), origin: make(map[string]string)}
	env, err := readEnvironment(s.keys, src.Environ)
	if err != nil {
		return nil, err
	}
	if src.File == "" {
		src.File = env.file
	}
	if src.ReadFile == nil {
		src.ReadFile = os.ReadFile
	}
	if err := s.loadFile(src.File, src.ReadFile); err != nil {
		return nil, err
	}
	for _, k := range slices.Sorted(maps.Keys(env.values)) {
		if err := s.set(env.keys[k], k, env.values[k]); err != nil {
			return nil, err
		}
	}
	return s, s.loadFlags(src.Flags)
}

func (s *Settings) loadFlags(flags map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		k := find(s.keys, func(k *Key) bool { return k.Flag == name })
		if k == nil {
			return &Error{"--" + name, "unknown flag"}
		}
		if err := s.set(k, "--"+name, flags[name]); err != nil {
			return err
		}
	}
	return nil
}

// set parses one value and notes its origin.
func (s *Settings) set(k *Key, where, text string) error {
	if err := k.set(&s.Config, text); err != nil {
		return &Error{where, err.Error()}
	}
	s.origin[k.Path] = where
	return nil
}

// Origin tells where the value of a key came from: a flag, a variable, a file and line, or "default".
func (s *Settings) Origin(path string) string {
	if o, ok := s.origin[path]; ok {
		return o
	}
	return "default"
}
