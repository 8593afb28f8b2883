package credhelper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sealock/sealock/cmd/internal/userfile"
)

// dockerConfig is docker's config.json. It is docker's and the user's: what is not about this helper stays as it is.
type dockerConfig struct{ path string }

func (h *Helper) dockerConfig() dockerConfig {
	dir := h.Getenv("DOCKER_CONFIG")
	if dir == "" {
		dir = filepath.Join(h.Getenv("HOME"), ".docker")
	}
	return dockerConfig{filepath.Join(dir, "config.json")}
}

// object is a JSON object whose values are not looked into.
type object map[string]json.RawMessage

// read returns the file's object, an empty one if there is no file.
func (d dockerConfig) read() (object, error) {
	text, err := os.ReadFile(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return object{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading docker's settings: %w", err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return object{}, nil
	}
	return d.object(text)
}

func (d dockerConfig) object(text json.RawMessage) (object, error) {
	if len(text) == 0 {
		return object{}, nil
	}
	var o object
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, fmt.Errorf("%s is not as docker writes it: correct it by hand", d.path) // nothing of it: it may hold a secret
	}
	if o == nil { // null
		o = object{}
	}
	return o, nil
}

// helper is the value of credHelpers and credsStore that means this program.
const helper = "sealock"

// uses reports whether docker asks this helper for the host.
func (d dockerConfig) uses(host string) bool {
	config, err := d.read()
	if err != nil {
		return false
	}
	helpers, err := d.object(config["credHelpers"])
	if err != nil {
		return false
	}
	var name string
	if one, ok := helpers[host]; ok {
		return json.Unmarshal(one, &name) == nil && name == helper
	}
	return json.Unmarshal(config["credsStore"], &name) == nil && name == helper
}

// use lets docker ask this helper for the host, and drops the login that docker keeps for it in clear. It reports
// whether there was one.
func (d dockerConfig) use(host string) (dropped bool, err error) {
	config, err := d.read()
	if err != nil {
		return false, err
	}
	helpers, err := d.object(config["credHelpers"])
	if err != nil {
		return false, err
	}
	helpers[host] = json.RawMessage(`"` + helper + `"`)
	if config["credHelpers"], err = encode(helpers, ""); err != nil {
		return false, err
	}
	auths, err := d.object(config["auths"])
	if err != nil {
		return false, err
	}
	for key, login := range auths {
		fields, err := d.object(login)
		if err != nil {
			return false, err
		}
		if of, err := hostOf(key); err == nil && of == host && len(fields) > 0 {
			auths[key], dropped = json.RawMessage(`{}`), true
		}
	}
	if dropped {
		if config["auths"], err = encode(auths, ""); err != nil {
			return false, err
		}
	}
	text, err := encode(config, "\t")
	if err != nil {
		return false, err
	}
	if err := userfile.Replace(d.path, text); err != nil {
		return false, fmt.Errorf("changing docker's settings: %w", err)
	}
	return dropped, nil
}

// encode writes an object as docker does: indented by tabs, and without escapes that nobody needs.
func encode(o object, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(o); err != nil {
		return nil, fmt.Errorf("encoding docker's settings: %w", err)
	}
	return b.Bytes(), nil
}
