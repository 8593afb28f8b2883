package settings_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealock/sealock/settings"
	"github.com/sealock/sealock/store/workload"
)

func loadWorkloads(t *testing.T, yaml string) (settings.Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sealock.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return settings.Load(settings.Sources{File: file})
}

func TestWorkloads(t *testing.T) {
	cfg, err := loadWorkloads(t, `workloads:
  - name: main
    issuer: https://issuer.example.com
    audience: a
    conditions:
      project_id: 20
      ref_protected: true
      ref: "a,b"
      /kubernetes.io/namespace: [build, 7, false]
    roles: [{project: team, role: developer}]
    repositories: [team/app-*]
`)
	want := []workload.Rule{{
		Name: "main", Issuer: "https://issuer.example.com", Audience: "a", MaxLife: 15 * time.Minute,
		Conditions: map[string]workload.Values{
			"project_id": {"20"}, "ref_protected": {"true"}, "ref": {"a,b"}, "/kubernetes.io/namespace": {"build", "7", "false"},
		},
		Roles: []workload.Role{{Project: "team", Role: "developer"}}, Repositories: []string{"team/app-*"},
	}}
	if diff := cmp.Diff(want, cfg.Workloads); err != nil || diff != "" {
		t.Errorf("Load() = %v (-want +got):\n%s", err, diff)
	}
}

func TestWorkloadFaults(t *testing.T) {
	const good = "name: main, issuer: https://issuer.example.com, audience: a, roles: [{project: team, role: developer}]"
	for rules, want := range map[string]string{
		"[{" + good + "}]": "workloads[0].conditions: is empty",
		"[{" + good + ", conditions: {a: b}}, {" + good + ", any: true}]":                     `workloads[1].name: the name "main" is there already`,
		"[{" + good + ", condition: {a: b}}]":                                                 `workloads[0].condition: is no setting: did you mean "conditions"?`,
		"[{" + good + ", conditions: {a: {b: c}}}]":                                           "workloads[0].conditions",
		"[{" + good + ", conditions: {a: [[b]]}}]":                                            "workloads[0].conditions",
		"[{" + good + ", any: true, max_life: soon}]":                                         "workloads[0].max_life",
		"[{" + good + ", any: true, max_life: -1m}]":                                          "workloads[0].max_life: is not between 1m and 24h",
		"[{" + strings.Replace(good, "role:", "rolle:", 1) + ", any: true}]":                  `workloads[0].roles[0].rolle: is no setting: did you mean "role"?`,
		"[{" + good + ", any: true}]\ntoken: {issuer: https://issuer.example.com}":            "workloads[0].issuer: is what this server calls itself",
		"[{" + strings.Replace(good, "issuer.example.com", "gitlab.com", 1) + ", any: true}]": "would let in everybody who has an account",
	} {
		if _, err := loadWorkloads(t, "workloads: "+rules+"\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load() of workloads %s = %v, want %q", rules, err, want)
		}
	}
}

// TestKeylessPage reads the rules in docs/keyless.md as 'sealock check' does, and looks for each key of a rule.
func TestKeylessPage(t *testing.T) {
	page, err := os.ReadFile("../docs/keyless.md")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, example := range strings.Split(string(page), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(example, "```")
		if !strings.HasPrefix(text, "workloads:") {
			continue
		}
		read++
		if cfg, err := loadWorkloads(t, text); err != nil || len(cfg.Workloads) != 1 {
			t.Errorf("Load() of\n%s= %v", text, err)
		}
	}
	if read != 3 {
		t.Errorf("docs/keyless.md has %d rules, want one for each of the three platforms", read)
	}
	rule := reflect.TypeFor[workload.Rule]()
	for i := range rule.NumField() {
		if key := rule.Field(i).Tag.Get("koanf"); !strings.Contains(string(page), "| `"+key+"` |") {
			t.Errorf("docs/keyless.md says nothing about %s", key)
		}
	}
}
