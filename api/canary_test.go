package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

var secretField = regexp.MustCompile(`(?i)password|secret|auth_header|credential$|private|token$`)

// secretsOf puts a canary into every field of a body that holds a secret by its name, as the document's schema has it.
func secretsOf(s *openapi3.Schema, canary string, depth int) (out map[string]any) {
	for name, p := range s.Properties {
		if depth > 4 || p.Value == nil {
			continue
		}
		var v any
		switch {
		case p.Value.Type.Is("string") && secretField.MatchString(name):
			v = canary
		case p.Value.Type.Is("object"):
			if inner := secretsOf(p.Value, canary, depth+1); inner != nil {
				v = inner
			}
		case p.Value.Type.Is("array") && p.Value.Items.Value.Type.Is("object"):
			if inner := secretsOf(p.Value.Items.Value, canary, depth+1); inner != nil {
				v = []any{inner}
			}
		}
		if v != nil {
			if out == nil {
				out = map[string]any{}
			}
			out[name] = v
		}
	}
	return out
}

// over puts one JSON value over another: objects field by field, lists item by item.
func over(base, top any) any {
	switch top := top.(type) {
	case map[string]any:
		b, ok := base.(map[string]any)
		if !ok {
			b = map[string]any{}
		}
		for name, v := range top {
			b[name] = over(b[name], v)
		}
		return b
	case []any:
		b, ok := base.([]any)
		if !ok || len(b) == 0 {
			return top
		}
		for i := range b {
			b[i] = over(b[i], top[0])
		}
		return b
	default:
		return top
	}
}

// TestCanary puts a secret into every field of every operation that takes one, and collects those that the server makes.
// No later answer has one of them, nor has the trail, an export of it, the log or the database. (Harbor: GHSA-prh4-vhfh-24mj.)
func TestCanary(t *testing.T) {
	w := newWorld(t)
	ops := operations(t, loadDocument(t))
	var sent, kept []string
	made := w.makeSecrets(ops)
	for i, op := range ops {
		if op.RequestBody == nil || op.method == http.MethodDelete {
			continue
		}
		canary := fmt.Sprintf("Canary-%d-of-these", i)
		secrets := secretsOf(op.RequestBody.Value.Content.Get("application/json").Schema.Value, canary, 0)
		if op.OperationID == "updateConfigurations" { // whose schema has no names
			secrets = map[string]any{"ldap_search_password": canary, "oidc_client_secret": canary, "uaa_client_secret": canary}
		}
		if secrets == nil {
			continue
		}
		sent = append(sent, op.OperationID)
		var base any
		must(t, base, json.Unmarshal([]byte(op.example(t)), &base))
		if o, ok := base.(map[string]any); ok && op.method == http.MethodPost { // what there is already would be refused
			for name, v := range map[string]string{"name": "new%d", "username": "new%d", "email": "new%d@example.com"} {
				if _, there := o[name]; there {
					o[name] = fmt.Sprintf(v, i)
				}
			}
		}
		whole, err := json.Marshal(over(base, secrets))
		must(t, whole, err)
		alone, err := json.Marshal(secrets)
		must(t, alone, err)
		spoilt := strings.Replace(string(whole), "{", `{"name":[],"username":7,"url":7,`, 1)
		for _, name := range []string{admin, dave, bob, nobody} {
			for _, body := range []string{string(whole), string(whole), string(alone), spoilt, string(whole) + "}"} {
				a := w.tryWith(op, name, body)
				if a.status < 300 {
					kept = append(kept, op.OperationID)
				}
				for _, secret := range toldOnce(a) {
					made[secret] = true
				}
				answered := op.OperationID == "replaceRobotSecret" && a.status == http.StatusOK // with the secret that it was sent, as Harbor does
				if strings.Contains(a.body, canary) && !answered || strings.Contains(fmt.Sprint(a.header), canary) {
					t.Errorf("%s as %q tells a secret: %d %s", op, name, a.status, a.body)
				}
			}
		}
	}
	for _, id := range []string{"updateConfigurations", "pingLdap", "pingRegistry"} {
		if !slices.Contains(sent, id) {
			t.Errorf("%s takes a secret, and none was sent: see what its schema calls it", id)
		}
	}
	for _, id := range []string{
		"createUser", "setPassword", "createRobot", "updateRobot", "replaceRobotSecret", "createProjectRobot", "createRegistry", "updateRegistry", "createWebhookPolicy", "updateWebhookPolicy",
	} {
		if !slices.Contains(kept, id) {
			t.Errorf("%s took no secret, want the one that was sent to be kept", id)
		}
	}
	w.wantSilence(ops, made)
}

// makeSecrets lets the server make some.
func (w *world) makeSecrets(ops []operation) map[string]bool {
	w.t.Helper()
	made := map[string]bool{}
	for id, name := range map[string]string{
		"setCliSecret": dave, "createPersonalAccessToken": dave, "createRobot": admin, "createProjectRobot": alice, "replaceRobotSecret": admin,
	} {
		op := ops[slices.IndexFunc(ops, func(op operation) bool { return op.OperationID == id })]
		told := toldOnce(w.try(op, name))
		if len(told) == 0 {
			w.t.Errorf("%s tells no secret, want the one that it makes", op)
		}
		for _, secret := range told {
			made[secret] = true
		}
	}
	return made
}

// toldOnce are the secrets in an answer that makes something.
func toldOnce(a answer) (out []string) {
	var v map[string]any
	if a.status >= 300 || json.Unmarshal([]byte(a.body), &v) != nil {
		return nil
	}
	for _, name := range []string{"secret", "token"} {
		if s, _ := v[name].(string); len(s) > 8 && !strings.Contains(s, "Canary-") {
			out = append(out, s)
		}
	}
	return out
}

// wantSilence looks for the secrets wherever somebody could see them.
func (w *world) wantSilence(ops []operation, made map[string]bool) {
	w.t.Helper()
	secrets := []string{"Canary-"}
	for secret := range made {
		secrets = append(secrets, secret)
	}
	look := func(where, text string) {
		w.t.Helper()
		for _, secret := range secrets {
			if i := strings.Index(text, secret); i >= 0 {
				w.t.Errorf("%s has a secret: …%q…", where, text[max(0, i-120):min(len(text), i+len(secret)+40)])
			}
		}
	}
	for _, op := range ops {
		if op.method != http.MethodGet {
			continue
		}
		path := w.path(op)
		if op.Parameters.GetByInAndName("query", "page_size") != nil {
			path += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "page_size=100"
		}
		for _, name := range []string{admin, dave} {
			a := w.as(name, op.method, path, "")
			look(fmt.Sprintf("%s as %s", op, name), a.body+fmt.Sprint(a.header))
		}
	}
	for _, name := range []string{"robots", "registries", "projects/team/webhook/policies", "projects/team/robots"} {
		for n := range 12 {
			look(name, w.as(admin, "GET", fmt.Sprintf("/api/v2.0/%s/%d", name, n), "").body)
		}
	}
	look("the log", w.log.String())
	for _, file := range []string{w.file, w.file + "-wal"} {
		content, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			w.t.Fatal(err)
		}
		look("the database", string(content))
	}
}
