package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/wire"
)

const zoePassword = "Zoe-e2e-12345"

// source is a kind of user source in which zoe is a user.
type source struct {
	name     string
	settings func(t *testing.T) string // the entry of the list, in YAML's flow style
}

func sources() []source {
	return []source{
		{"htpasswd", func(t *testing.T) string {
			t.Helper()
			hash, err := bcrypt.GenerateFromPassword([]byte(zoePassword), bcrypt.MinCost)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("{name: htpasswd, type: htpasswd, file: %s}", fixture.File(t, filepath.Join(proc.Dir(t), "users"), "zoe:"+string(hash)+"\n"))
		}},
		{"http", func(t *testing.T) string {
			t.Helper()
			return fmt.Sprintf("{name: http, type: external, url: %q, shared_secret: hook-secret}", hook(t))
		}},
		{"exec", func(t *testing.T) string {
			t.Helper()
			path := fixture.File(t, filepath.Join(proc.Dir(t), "hook"), execHook)
			return fmt.Sprintf("{name: exec, type: external, command: [/bin/sh, %s]}", path)
		}},
	}
}

// hook answers as docs/sources.md says a hook does.
func hook(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var question struct{ Operation, Name, Secret string }
		w.Header().Set("Content-Type", "application/json")
		switch err := json.NewDecoder(r.Body).Decode(&question); {
		case err != nil, r.Header.Get("Authorization") != "Bearer hook-secret":
			w.WriteHeader(http.StatusInternalServerError)
		case question.Name != "zoe":
			w.WriteHeader(http.StatusNotFound)
		case question.Operation == "authenticate" && question.Secret != zoePassword:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			_, _ = w.Write([]byte(`{"subject": "zoe", "groups": ["ops"]}`)) // sealock is gone if this fails
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// execHook knows zoe by the text of the question.
const execHook = `read -r question
case $question in *'"name":"zoe"'*) ;; *) exit 44 ;; esac
case $question in
*'"operation":"lookup"'* | *'"secret":"` + zoePassword + `"'*) echo '{"subject":"zoe"}' ;;
*) exit 41 ;;
esac
`

// TestSources logs in with docker as a user of each kind of source, beside the database, and pushes and pulls.
func TestSources(t *testing.T) {
	t.Parallel()
	for _, src := range sources() {
		t.Run(src.name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, "sources:\n- type: database\n- "+src.settings(t)+"\n")
			server.CLI(t, "project", "create", "team")
			zoe := newDesk(t, server)
			mustFail(t, zoe.login("zoe", "wrong"), "unknown user or wrong password")
			mustFail(t, zoe.login("zoe@database", zoePassword), "unknown user or wrong password")
			must(t, zoe.login("zoe", zoePassword))
			mustFail(t, zoe.push("team/app"), "denied")

			server.CLI(t, "member", "add", "team", "zoe@"+src.name, "--role", "developer")
			must(t, zoe.push("team/app"))
			must(t, zoe.pull("team/app"))

			named := newDesk(t, server)
			must(t, named.login("zoe@"+src.name, zoePassword))
			must(t, named.pull("team/app"))

			server.CLI(t, "member", "remove", "team", "zoe@"+src.name)
			mustFail(t, zoe.push("team/app"), "denied", "unauthorized")
			mustFail(t, named.pull("team/app"), "denied", "unauthorized")
		})
	}
}

// TestSourceDown shows that a source that does not answer is not stood in for, and that others go on.
func TestSourceDown(t *testing.T) {
	t.Parallel()
	server := serve(t, "sources:\n- type: database\n- {name: corp, type: external, url: \"http://127.0.0.1:1/\", retries: 0}\n- "+sources()[0].settings(t)+"\n")
	d := newDesk(t, server)
	out := d.login("zoe", zoePassword) // corp, which is asked before the file, can't say whether it knows her
	mustFail(t, out, "does not answer", "503")
	if strings.Contains(out.Text, "corp") {
		t.Errorf("the client is told which source is down:\n%s", out)
	}
	resp, err := wire.New(server.Addr, "zoe", zoePassword).Send(wire.Request{Method: http.MethodGet, URL: "/service/token?service=sealock", Basic: true})
	if err != nil || resp.Status != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a token while a source is down: got %s, %v, want 503 with Retry-After", resp, err)
	}
	must(t, d.login("zoe@htpasswd", zoePassword))
	must(t, d.login("admin", adminPassword))
}
