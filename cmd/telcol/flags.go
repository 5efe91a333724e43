package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/telcol/telcol/cmd/internal/settings"
)

// settingFlags are the flags of settings: one for each key, and --config. Their values stay text, which settings reads together with
// the other sources.
type settingFlags struct {
	file  string
	given map[string]string
}

// addSettings gives cmd a flag for each of the keys, all when none is named.
func addSettings(cmd *cobra.Command, keys ...string) *settingFlags {
	f := &settingFlags{given: make(map[string]string)}
	cmd.Flags().SortFlags = false
	for _, k := range settings.Keys() {
		if len(keys) == 0 || slices.Contains(keys, k.Path) {
			cmd.Flags().Var(&settingValue{key: k, given: f.given}, k.Flag, k.Help)
		}
	}
	cmd.Flags().Var((*fileValue)(&f.file), "config", "settings file, YAML; else the one that "+settings.EnvFile+" names")
	return f
}

// short adds a flag without a value that switches a setting on.
func (f *settingFlags) short(cmd *cobra.Command, name, flag string) {
	cmd.Flags().BoolFunc(name, "short for --"+flag+" on", func(text string) error {
		f.given[flag] = text // true, as other sources may write it too
		return nil
	})
}

// load reads the settings from all sources.
func (f *settingFlags) load(e *env) (*settings.Settings, error) {
	return settings.Load(settings.Sources{File: f.file, Environ: e.environ, Flags: f.given})
}

// settingValue notes the text of a flag.
type settingValue struct {
	key   settings.Key
	given map[string]string
}

// Set notes a value. A list may be given piece by piece.
func (v *settingValue) Set(text string) error {
	if before, ok := v.given[v.key.Flag]; ok && v.key.List {
		text = before + "," + text
	}
	v.given[v.key.Flag] = text
	return nil
}

// String gives the default, which the help shows.
func (v *settingValue) String() string { return v.key.Default }

// Type gives the word for the value in the help.
func (v *settingValue) Type() string { return v.key.Arg }

// fileValue is a file name.
type fileValue string

func (v *fileValue) Set(text string) error { *v = fileValue(text); return nil }
func (v *fileValue) String() string        { return string(*v) }
func (v *fileValue) Type() string          { return "FILE" }

const settingsHelp = `
Every setting is a flag, a key of the YAML file and an environment variable:
--kafka-brokers, kafka: {brokers: [...]}, TELCOL_KAFKA_BROKERS. Flags win over the environment, the
environment over the file, the file over the defaults. telcol config show prints the result.`
