package settings

import (
	"slices"
	"strings"
)

// EnvFile names the settings file when no flag does.
const EnvFile = EnvPrefix + "CONFIG"

// environment is what the process environment says of settings.
type environment struct {
	file   string
	values map[string]string
	keys   map[string]*Key
}

// readEnvironment picks the TELCOL_ variables. An unknown one is an error, since it is most likely a setting with a slip of the
// pen. A variable that is empty counts as not set: compose files and units pass on variables that nobody filled.
func readEnvironment(keys []Key, environ []string) (environment, error) {
	env := environment{values: make(map[string]string), keys: make(map[string]*Key)}
	for _, pair := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, EnvPrefix) || ofTestRig(name) {
			continue
		}
		if name == EnvFile {
			env.file = value
			continue
		}
		k := find(keys, func(k *Key) bool { return k.Env == name })
		if k == nil {
			return env, &Error{name, "unknown variable" + didYouMean(name, envNames(keys))}
		}
		if value != "" {
			env.values[name], env.keys[name] = value, k
		}
	}
	return env, nil
}

// ofTestRig reports variables that are for the tests of telcol, not for telcol.
func ofTestRig(name string) bool {
	for _, prefix := range [...]string{"TELCOL_TEST_", "TELCOL_REQUIRE_", "TELCOL_ORACLE"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func envNames(keys []Key) []string {
	names := []string{EnvFile}
	for i := range keys {
		names = append(names, keys[i].Env)
	}
	return names
}
