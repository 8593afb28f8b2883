package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// Sources is where settings are read from, each over the one before: defaults, File, Environ, Flags.
type Sources struct {
	File    string            // "" for none
	Environ []string          // NAME=value, as os.Environ gives it
	Flags   map[string]string // by key ("token.life"), only those that were given

	SourceTypes SourceTypes // what a source of users may be; nil: what sources have to set is neither read nor checked
}

// Fault is one thing that is wrong with the settings.
type Fault struct{ Key, What, Remedy string }

// String returns key: what: remedy.
func (f Fault) String() string { return f.Key + ": " + f.What + ": " + f.Remedy }

// Faults is everything that is wrong, as one error.
type Faults []Fault

// Error returns one line a fault.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// Load reads and checks the settings. What is wrong with them is a [Faults], complete.
func Load(s Sources) (Config, error) {
	k := koanf.New(".")
	faults, err := readFile(k, s.File)
	if err != nil {
		return Config{}, err
	}
	env, near := environment(s.Environ)
	faults = append(faults, near...)
	for _, layer := range []map[string]any{env, anyMap(s.Flags)} {
		if err := k.Load(confmap.Provider(layer, "."), nil); err != nil {
			return Config{}, fmt.Errorf("reading settings: %w", err)
		}
	}
	cfg := Default()
	unfit := decode(k, &cfg)
	faults = append(faults, unfit...)
	if len(unfit) == 0 { // what could not be read is not judged
		cfg.complete()
		faults = append(faults, cfg.readSecrets()...)
		faults = append(faults, cfg.readStorage()...)
		faults = append(faults, cfg.readSources(k, s.SourceTypes)...)
		faults = append(faults, cfg.validate()...)
	}
	if len(faults) > 0 {
		return cfg, faults
	}
	return cfg, nil
}

// readFile loads the YAML file and looks for keys that do not exist.
func readFile(k *koanf.Koanf, name string) (Faults, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name) //nolint:gosec // the operator chose the file
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errs.New(errs.Invalid, "there is no settings file %q", name).WithHint("make it, or leave --config away: every setting has a default")
	}
	if err != nil {
		return nil, errs.New(errs.Invalid, "the settings file %q can't be read", name).WithHint("check its permissions").Because(err)
	}
	if err := k.Load(rawbytes.Provider(text), yaml.Parser()); err != nil {
		return Faults{{name, "is no YAML: " + firstLine(err), "mend that line"}}, nil
	}
	return unknownKeys(k.Raw(), reflect.TypeFor[Config](), ""), nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// unknownKeys compares what a file holds with what the struct has.
func unknownKeys(raw map[string]any, t reflect.Type, path string) Faults {
	known := fields(t)
	var faults Faults
	for _, key := range sortedKeys(raw) {
		field, ok := known[key]
		if !ok {
			faults = append(faults, Fault{path + key, "is no setting", nearest(key, known)})
			continue
		}
		if inner, isMap := raw[key].(map[string]any); isMap && field.Type.Kind() == reflect.Struct {
			faults = append(faults, unknownKeys(inner, field.Type, path+key+".")...)
		}
		if field.Type == reflect.TypeFor[[]Source]() {
			continue // each type has keys of its own, see Source.read
		}
		if list, isList := raw[key].([]any); isList && field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct {
			for i, item := range list {
				if inner, isMap := item.(map[string]any); isMap {
					faults = append(faults, unknownKeys(inner, field.Type.Elem(), fmt.Sprintf("%s%s[%d].", path, key, i))...)
				}
			}
		}
	}
	return faults
}

// fields maps the koanf names of a struct to its fields.
func fields(t reflect.Type) map[string]reflect.StructField {
	m := make(map[string]reflect.StructField, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		m[f.Tag.Get("koanf")] = f
	}
	return m
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// nearest proposes the known key that is most like the one given.
func nearest[V any](key string, known map[string]V) string {
	best, distance := "", 4
	for _, name := range sortedKeys(known) {
		if d := edits(key, name); d < distance {
			best, distance = name, d
		}
	}
	if best == "" {
		return "the settings here are " + strings.Join(sortedKeys(known), ", ")
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

const envPrefix = "SEALOCK_"

// environment picks the variables that name a setting. Others with the prefix are left alone, as container platforms
// make some of their own, unless they look like a misspelling.
func environment(environ []string) (map[string]any, Faults) {
	keys := storageEnvironment()
	for _, s := range List() {
		if name := s.Env(); name != "" {
			keys[name] = s.Key
		}
	}
	others := []string{"SEALOCK_CONFIG", "SEALOCK_SERVER", "SEALOCK_ACCESS_TOKEN", "SEALOCK_REQUIRE", "SEALOCK_E2E_BINARY"}
	found := map[string]any{}
	var faults Faults
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(others, name) {
			continue
		}
		if key, ok := keys[name]; ok {
			found[key] = value
			continue
		}
		for known := range keys {
			if edits(name, known) <= 2 {
				faults = append(faults, Fault{name, "is no setting", fmt.Sprintf("did you mean %q?", known)})
				break
			}
		}
	}
	return found, faults
}

func anyMap(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// decode fills the struct. Every value that does not fit is a fault.
func decode(k *koanf.Koanf, cfg *Config) Faults {
	decoder := &mapstructure.DecoderConfig{
		Result: cfg, TagName: "koanf", WeaklyTypedInput: true,
		DecodeHook: decodeHook(),
	}
	err := k.UnmarshalWithConf("", cfg, koanf.UnmarshalConf{Tag: "koanf", DecoderConfig: decoder})
	if err == nil {
		return nil
	}
	return decodeFaults(err, "")
}

// decodeHook turns the text of a file or a variable into what a setting holds.
func decodeHook() mapstructure.DecodeHookFunc {
	return mapstructure.ComposeDecodeHookFunc(
		secretHook,
		storageHook,
		valuesHook,
		mapstructure.StringToTimeDurationHookFunc(),
		mapstructure.StringToSliceHookFunc(","),
	)
}

// decodeFaults makes a fault of each value that does not fit.
func decodeFaults(err error, path string) Faults {
	var faults Faults
	for _, e := range flatten(err) {
		key := path + "settings"
		if d, ok := errors.AsType[*mapstructure.DecodeError](e); ok {
			key, e = path+d.Name(), d.Unwrap()
		}
		faults = append(faults, Fault{key, firstLine(e), "see docs/config.md"})
	}
	return faults
}

func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, flatten(e)...)
		}
		return all
	}
	if inner := errors.Unwrap(err); inner != nil {
		if _, ok := inner.(interface{ Unwrap() []error }); ok {
			return flatten(inner)
		}
	}
	return []error{err}
}

// secretHook wraps a string into a secret before any error could quote it.
func secretHook(from, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[secret.Text]() || from.Kind() != reflect.String {
		return value, nil
	}
	return secret.New(reflect.ValueOf(value).String()), nil
}

// Setting is one thing that can be set.
type Setting struct {
	Key, Doc string
	Default  any
}

// Env returns the name of the environment variable; "" for a list of several values each, which only a file can hold, and for
// a block, which has one for each value.
func (s Setting) Env() string {
	if t := reflect.TypeOf(s.Default); t.Kind() == reflect.Map || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
		return ""
	}
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// List returns all settings in the order of the struct.
func List() []Setting { return list(reflect.ValueOf(Default()), "") }

func list(v reflect.Value, path string) []Setting {
	var all []Setting
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := path + f.Tag.Get("koanf")
		if doc := f.Tag.Get("doc"); doc != "" {
			all = append(all, Setting{Key: key, Doc: doc, Default: v.Field(i).Interface()})
			continue
		}
		all = append(all, list(v.Field(i), key+".")...)
	}
	return all
}
