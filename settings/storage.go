package settings

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealock/sealock/internal/secret"
)

// Storage is the block storage: of a stock registry's config.yml: by the name of the driver what it is given, and what
// belongs to all drivers beside it. Once read, every value is of the type that the registry library wants, but for
// secrets, which are a [secret.Text], and blocks inside, which are a map[string]any.
type Storage map[string]map[string]any

// Driver returns the name of the driver; "" for none, which is the folder in data_dir.
func (s Storage) Driver() string {
	for name := range s {
		if drivers()[name] != nil {
			return name
		}
	}
	return ""
}

// StorageDriver returns by the name of its driver where the embedded registry keeps images; "" without that registry.
func (c *Config) StorageDriver() string {
	if !c.hasEmbedded() {
		return ""
	}
	return cmp.Or(c.Registry.Storage.Driver(), "filesystem")
}

// Reveal returns the block as the registry library reads it, with the secrets in clear.
func (s Storage) Reveal() map[string]map[string]any {
	all := make(map[string]map[string]any, len(s))
	for name, values := range s {
		all[name] = make(map[string]any, len(values))
		for key, value := range values {
			all[name][key] = reveal(value)
		}
	}
	return all
}

// reveal makes blocks inside of a driver's what the library's own YAML would be.
func reveal(value any) any {
	switch v := value.(type) {
	case secret.Text:
		return v.Reveal()
	case map[string]any:
		inner := make(map[any]any, len(v))
		for key, value := range v {
			inner[key] = reveal(value)
		}
		return inner
	}
	return value
}

// valueKind is what a value of the block is.
type valueKind uint8

const (
	ofText     valueKind = iota
	ofSecret             // may also come from the file that KEY_file names
	ofFlag               // true or false
	ofNumber             // whole
	ofTime               // a duration
	ofSecrets            // a block of what the operator likes
	ofNoOutput           // must be "off": it would print signed URLs beside the log
)

// drivers returns by the name of each driver what it is given, blocks inside parted by dots (distribution's
// docs/content/storage-drivers).
func drivers() map[string]map[string]valueKind {
	s3 := map[string]valueKind{
		"accesskey": ofText, "secretkey": ofSecret, "region": ofText, "regionendpoint": ofText, "forcepathstyle": ofFlag, "accelerate": ofFlag,
		"bucket": ofText, "encrypt": ofFlag, "keyid": ofText, "secure": ofFlag, "skipverify": ofFlag, "v4auth": ofFlag, "chunksize": ofNumber,
		"multipartcopychunksize": ofNumber, "multipartcopymaxconcurrency": ofNumber, "multipartcopythresholdsize": ofNumber, "rootdirectory": ofText,
		"storageclass": ofText, "useragent": ofText, "objectacl": ofText, "usedualstack": ofFlag, "usefipsendpoint": ofFlag, "loglevel": ofNoOutput,
		"redirectendpoint": ofText,
	}
	return map[string]map[string]valueKind{
		"filesystem": {"rootdirectory": ofText, "maxthreads": ofNumber},
		"s3":         s3,
		"s3aws":      s3,
		"azure": {
			"accountname": ofText, "accountkey": ofSecret, "container": ofText, "credentials.type": ofText, "credentials.clientid": ofText,
			"credentials.tenantid": ofText, "credentials.secret": ofSecret, "connectionstring": ofSecret, "realm": ofText, "rootdirectory": ofText,
			"serviceurl": ofText, "max_retries": ofNumber, "retry_delay": ofTime, "skipverify": ofFlag, "useragent": ofText,
		},
		"gcs": {
			"bucket": ofText, "keyfile": ofText, "credentials": ofSecrets, "rootdirectory": ofText, "chunksize": ofNumber, "maxconcurrency": ofNumber,
			"useragent": ofText,
		},
	}
}

// besides returns what stands in the block beside the driver.
func besides() map[string]map[string]valueKind {
	return map[string]map[string]valueKind{
		"delete":   {"enabled": ofFlag},
		"redirect": {"disable": ofFlag},
		"cache":    {"blobdescriptor": ofText, "blobdescriptorsize": ofNumber, "layerinfo": ofText},
		"tag":      {"concurrencylimit": ofNumber},
		"maintenance": {
			"uploadpurging.enabled": ofFlag, "uploadpurging.age": ofTime, "uploadpurging.interval": ofTime, "uploadpurging.dryrun": ofFlag,
			"readonly.enabled": ofFlag,
		},
	}
}

// storageEnvironment maps the variables that stand for values of the block to their keys. Without the prefix of sealock's
// they are distribution's own.
func storageEnvironment() map[string]string {
	names := map[string]string{}
	add := func(key string) {
		names[envPrefix+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))] = key
	}
	for _, sections := range []map[string]map[string]valueKind{drivers(), besides()} {
		for section, keys := range sections {
			for key, kind := range keys {
				if kind == ofSecrets {
					continue
				}
				add("registry.storage." + section + "." + key)
				if kind == ofSecret {
					add("registry.storage." + section + "." + key + "_file")
				}
			}
		}
	}
	return names
}

// storageHook makes the block of what stands in the file: a driver may also stand there by its name alone.
func storageHook(_, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[Storage]() {
		return value, nil
	}
	if name, isText := value.(string); isText {
		return Storage{name: {}}, nil
	}
	sections, isMap := value.(map[string]any)
	if !isMap {
		return nil, errors.New("is no block of a driver and what it is given")
	}
	s := Storage{}
	for name, section := range sections {
		switch values := section.(type) {
		case nil:
			s[name] = map[string]any{}
		case map[string]any:
			s[name] = maps.Clone(values)
		default:
			return nil, fmt.Errorf("holds no block %q", name)
		}
	}
	return s, nil
}

// readStorage holds the block against what drivers are given.
func (c *Config) readStorage() Faults {
	const root = "registry.storage"
	known := drivers()
	maps.Copy(known, besides())
	var faults Faults
	var chosen []string
	for _, name := range sortedKeys(c.Registry.Storage) {
		keys, ok := known[name]
		switch {
		case name == "inmemory":
			faults = append(faults, Fault{root + ".inmemory", "forgets all images at each restart", "use filesystem"})
			continue
		case !ok:
			faults = append(faults, Fault{root + "." + name, "is no driver", nearest(name, known)})
			c.Registry.Storage[name] = nil // nobody knows what in it is secret
			continue
		}
		r := storageReader{keys: keys, read: map[string]any{}}
		r.block(c.Registry.Storage[name], root+"."+name+".", "")
		faults = append(faults, r.faults...)
		c.Registry.Storage[name] = r.read
		if drivers()[name] != nil {
			chosen = append(chosen, name)
			faults = append(faults, missing(name, r.read, len(r.faults) > 0)...)
		}
	}
	if len(chosen) > 1 {
		faults = append(faults, Fault{root, "names two drivers: " + strings.Join(chosen, " and "), "keep one of them"})
	}
	if len(c.Registry.Storage) > 0 && !c.hasEmbedded() {
		faults = append(faults, Fault{root, "is set for the embedded registry, and there is none", "unset registry.url, or list the embedded registry under registries"})
	}
	if len(faults) == 0 {
		c.completeStorage()
	}
	return faults
}

// completeStorage fills in what the library wants to be told.
func (c *Config) completeStorage() {
	if c.hasEmbedded() && c.embeddedOne().Redirects == RedirectsFollow {
		if c.Registry.Storage == nil {
			c.Registry.Storage = Storage{}
		}
		c.Registry.Storage["redirect"] = map[string]any{"disable": true}
	}
	purging, told := c.Registry.Storage["maintenance"]["uploadpurging"].(map[string]any)
	if !told {
		return
	}
	for key, value := range map[string]any{"enabled": true, "age": "168h", "interval": "24h", "dryrun": false} {
		if _, set := purging[key]; !set {
			purging[key] = value
		}
	}
}

// missing says what the driver can't do without.
func missing(driver string, given map[string]any, faulty bool) Faults {
	if faulty { // it may be there, misspelled
		return nil
	}
	var v validator
	path := "registry.storage." + driver + "."
	need := func(key, remedy string) {
		v.check(given[key] != nil && given[key] != "", path+key, "is missing", remedy)
	}
	switch driver {
	case "s3", "s3aws":
		need("bucket", "name one that exists")
		if given["regionendpoint"] == nil {
			need("region", "name the bucket's, such as eu-central-1, or the server's URL as regionendpoint")
		}
		v.check((given["accesskey"] == nil) == (given["secretkey"] == nil), path+"secretkey", "and accesskey go together", "set both, or none for the machine's own role")
	case "azure":
		need("accountname", "name the storage account")
		need("container", "name one that exists")
		credentials, _ := given["credentials"].(map[string]any)
		types := []string{"shared_key", "client_secret", "default_credentials"}
		kind := fmt.Sprint(credentials["type"])
		v.check(slices.Contains(types, kind), path+"credentials.type", "is none of "+strings.Join(types, ", "), "use shared_key with an accountkey")
		if kind == "shared_key" {
			need("accountkey", "set it, or another credentials.type")
		}
	case "gcs":
		need("bucket", "name one that exists")
		v.check(given["keyfile"] == nil || given["credentials"] == nil, path+"keyfile", "is set together with credentials", "keep one of them")
	}
	return v.faults
}

// storageReader reads one section of the block. What is wrong never quotes a value: it could be secret.
type storageReader struct {
	keys   map[string]valueKind
	read   map[string]any
	faults Faults
}

func (r *storageReader) fault(key, what, remedy string) {
	r.faults = append(r.faults, Fault{key, what, remedy})
}

// block reads the values of a block; below is the dotted way to it.
func (r *storageReader) block(values map[string]any, path, below string) {
	for _, key := range sortedKeys(values) {
		value, name := values[key], below+key
		inner, isBlock := value.(map[string]any)
		kind, ok := r.keys[name]
		secretKey, fromFile := strings.CutSuffix(name, "_file")
		switch {
		case fromFile && r.keys[secretKey] == ofSecret:
			r.file(path, key, secretKey, value, values[strings.TrimSuffix(key, "_file")] != nil)
		case ok && kind == ofSecrets && isBlock:
			r.set(name, masked(inner))
		case !ok && isBlock && r.isBlock(name):
			r.block(inner, path+key+".", name+".")
		case !ok:
			r.fault(path+key, "is no setting", nearest(key, r.siblings(below)))
		case value == nil: // the key of a file that was left empty
		default:
			r.value(path+key, name, kind, value)
		}
	}
}

// isBlock reports whether there are keys below the name.
func (r *storageReader) isBlock(name string) bool { return len(r.siblings(name+".")) > 0 }

// siblings returns the keys right below.
func (r *storageReader) siblings(below string) map[string]bool {
	found := map[string]bool{}
	for key := range r.keys {
		if rest, ok := strings.CutPrefix(key, below); ok {
			first, _, _ := strings.Cut(rest, ".")
			found[first] = true
		}
	}
	return found
}

func (r *storageReader) value(path, name string, kind valueKind, value any) {
	text := fmt.Sprint(value)
	switch kind {
	case ofText:
		if reflect.ValueOf(value).Kind() == reflect.Map || reflect.ValueOf(value).Kind() == reflect.Slice {
			r.fault(path, "is no text", "give one value")
			return
		}
		r.set(name, text)
	case ofSecret:
		s, isText := value.(string)
		if !isText { // 0123 is a number to YAML
			r.fault(path, "is no text", "put it into quotes")
			return
		}
		r.set(name, secret.New(s))
	case ofFlag:
		yes, err := strconv.ParseBool(text)
		if err != nil {
			r.fault(path, "is neither true nor false", "use one of them")
			return
		}
		r.set(name, yes)
	case ofNumber:
		n, err := strconv.Atoi(text)
		if err != nil {
			r.fault(path, "is no whole number", "write it in digits")
			return
		}
		r.set(name, n)
	case ofTime:
		if d, err := time.ParseDuration(text); err != nil || d <= 0 {
			r.fault(path, "is no time", "write it like 24h")
			return
		}
		r.set(name, text)
	case ofNoOutput:
		if off, isFlag := value.(bool); text != "off" && (!isFlag || off) {
			r.fault(path, "would print signed URLs beside sealock's log", "leave it away, and set log.level: debug")
		}
	case ofSecrets:
		r.fault(path, "is no block", "paste what the key file holds, or name that as keyfile")
	}
}

// file reads a secret from the file that stands for it.
func (r *storageReader) file(path, key, name string, value any, both bool) {
	if both {
		r.fault(path+key, "is set together with "+strings.TrimSuffix(key, "_file"), "give one of them")
		return
	}
	file := fmt.Sprint(value)
	text, err := os.ReadFile(file) //nolint:gosec // the operator chose the file
	if err != nil {
		r.fault(path+key, fmt.Sprintf("can't read %q", file), "check the path and its permissions")
		return
	}
	r.set(name, secret.New(strings.TrimRight(string(text), "\r\n")))
}

// set puts a value where the dotted name says.
func (r *storageReader) set(name string, value any) {
	at := r.read
	parts := strings.Split(name, ".")
	for _, part := range parts[:len(parts)-1] {
		inner, ok := at[part].(map[string]any)
		if !ok {
			inner = map[string]any{}
			at[part] = inner
		}
		at = inner
	}
	at[parts[len(parts)-1]] = value
}

// masked takes every value for a secret.
func masked(values map[string]any) map[string]any {
	all := make(map[string]any, len(values))
	for key, value := range values {
		all[key] = secret.New(fmt.Sprint(value))
	}
	return all
}
