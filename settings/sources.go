package settings

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/v2"

	"github.com/sealock/sealock/internal/secret"
)

// DatabaseSource is the type of the source that every server has unless it is told otherwise: the users in the store.
const DatabaseSource = "database"

// Source is one source of users.
type Source struct {
	Name   string `koanf:"name"` // by which user@name reaches it; the type's name where the file gives none
	Type   string `koanf:"type"`
	Config any    `koanf:"-"` // the settings of its type: a value of the struct in SourceTypes
}

// SourceTypes maps each type of source to its settings at their defaults: a struct whose fields have koanf and doc
// tags. A field of the type [secret.Text] named x may come from a file that a field named x_file names.
type SourceTypes map[string]any

// SourceChecker is what the settings of a source may implement to say what can't work.
type SourceChecker interface {
	Check(report func(key, what, remedy string))
}

// sourceName is what a source may be called: it stands behind the @ of user names, and in the log.
var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// readSources reads what each source has to set by the struct of its type.
func (c *Config) readSources(k *koanf.Koanf, types SourceTypes) Faults {
	if len(c.Sources) == 0 {
		c.Sources = []Source{{Type: DatabaseSource}}
	}
	raw, _ := k.Get("sources").([]any)
	var faults Faults
	var seen []string
	for i := range c.Sources {
		s := &c.Sources[i]
		path := fmt.Sprintf("sources[%d]", i)
		if s.Name == "" {
			s.Name = s.Type
		}
		faults = append(faults, s.check(path, seen)...)
		if s.Type == DatabaseSource && slices.ContainsFunc(c.Sources[:i], func(o Source) bool { return o.Type == DatabaseSource }) {
			faults = append(faults, Fault{path + ".type", "is there already: there is one database", "leave one of them away"})
		}
		seen = append(seen, s.Name)
		if types == nil || s.Type == "" {
			continue
		}
		item := map[string]any{}
		if i < len(raw) {
			item, _ = raw[i].(map[string]any)
		}
		faults = append(faults, s.read(item, types, path+".")...)
	}
	return faults
}

// check holds the name to what user@name needs.
func (s *Source) check(path string, seen []string) Faults {
	var v validator
	v.check(s.Type != "", path+".type", "is missing", "say what kind of source it is, such as database")
	if s.Name != "" {
		v.check(sourceName.MatchString(s.Name), path+".name", fmt.Sprintf("%q is no name of a source", s.Name), "use small letters, digits and . _ -, at most 63")
		v.check(!slices.Contains(seen, s.Name), path+".name", fmt.Sprintf("the name %q is there already", s.Name), "give each source a name of its own")
	}
	return v.faults
}

// read fills in Config. What is wrong never quotes a value that could be secret.
func (s *Source) read(item map[string]any, types SourceTypes, path string) Faults {
	defaults, ok := types[s.Type]
	if !ok {
		return Faults{{path + "type", fmt.Sprintf("%q is no type of source", s.Type), nearest(s.Type, types)}}
	}
	t := reflect.TypeOf(defaults)
	own := map[string]any{}
	for key, value := range item {
		if key != "name" && key != "type" {
			own[key] = value
		}
	}
	faults := append(unknownKeys(own, t, path), secretsThatAreNoText(own, t, path)...)
	target := reflect.New(t)
	target.Elem().Set(reflect.ValueOf(defaults))
	if unfit := decodeSource(own, target.Interface(), path); len(unfit) > 0 {
		return append(faults, unfit...)
	}
	faults = append(faults, secretFiles(target.Elem(), path)...)
	s.Config = target.Elem().Interface()
	if checker, ok := s.Config.(SourceChecker); ok {
		checker.Check(func(key, what, remedy string) { faults = append(faults, Fault{path + key, what, remedy}) })
	}
	return faults
}

// secretsThatAreNoText takes out secrets that YAML read as something else than text: 0123 is a number to it.
func secretsThatAreNoText(values map[string]any, t reflect.Type, path string) Faults {
	var faults Faults
	known := fields(t)
	for _, key := range sortedKeys(values) {
		if _, isText := values[key].(string); !isText && known[key].Type == reflect.TypeFor[secret.Text]() {
			faults = append(faults, Fault{path + key, "is no text", "put it into quotes"})
			delete(values, key)
		}
	}
	return faults
}

func decodeSource(values map[string]any, target any, path string) Faults {
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: target, TagName: "koanf", WeaklyTypedInput: true, DecodeHook: decodeHook(),
	})
	if err == nil {
		err = d.Decode(values)
	}
	if err == nil {
		return nil
	}
	return decodeFaults(err, path)
}

// secretFiles reads each secret whose file is given: x from x_file.
func secretFiles(v reflect.Value, path string) Faults {
	known := fields(v.Type())
	var faults Faults
	for _, key := range sortedKeys(known) {
		field := known[key]
		file, ok := known[key+"_file"]
		if !ok || field.Type != reflect.TypeFor[secret.Text]() || v.FieldByIndex(file.Index).String() == "" {
			continue
		}
		name := v.FieldByIndex(file.Index).String()
		if held, isText := v.FieldByIndex(field.Index).Interface().(secret.Text); isText && !held.Empty() {
			faults = append(faults, Fault{path + key + "_file", "is set together with " + key, "give one of them"})
			continue
		}
		text, err := os.ReadFile(name) //nolint:gosec // the operator chose the file
		if err != nil {
			faults = append(faults, Fault{path + key + "_file", fmt.Sprintf("can't read %q", name), "check the path and its permissions"})
			continue
		}
		v.FieldByIndex(field.Index).Set(reflect.ValueOf(secret.New(strings.TrimRight(string(text), "\r\n"))))
	}
	return faults
}
