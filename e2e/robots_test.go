package e2e_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/registry"
	"github.com/sealock/sealock/e2e/internal/sealock"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// robotSecret runs a command that shows a robot's secret, and returns that.
func robotSecret(t *testing.T, server *sealock.Server, args ...string) string {
	t.Helper()
	var shown struct{ Secret string }
	out := server.CLI(t, append([]string{"robot"}, append(args, "--output", "json")...)...)
	if err := json.Unmarshal([]byte(out), &shown); err != nil || shown.Secret == "" {
		t.Fatalf("sealock robot %q shows %s, want a secret", args, out)
	}
	return shown.Secret
}

func image(t *testing.T, content string) fixture.Image {
	t.Helper()
	made, err := fixture.NewImage(content)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestRobots logs in with docker as a robot account, under Harbor's name and under the default one.
func TestRobots(t *testing.T) {
	t.Parallel()
	server := serve(t, "")
	server.CLI(t, "project", "create", "team")
	first := robotSecret(t, server, "create", "team/ci", "--allow", "push", "--repository", "app/**", "--repository", "app")

	harbors, ours := newDesk(t, server), newDesk(t, server)
	mustFail(t, ours.login("robot~team+ci", "Wrong-secret-1"), "unknown user or wrong password")
	mustFail(t, ours.login("robot~team+nobody", first), "unknown user or wrong password")
	mustFail(t, ours.login("team+ci", first), "unknown user or wrong password")
	must(t, harbors.login("robot$team+ci", first))
	must(t, ours.login("robot~team+ci", first))
	must(t, harbors.push("team/app"))
	must(t, ours.push("team/app/web"))
	must(t, ours.pull("team/app"))
	mustFail(t, ours.push("team/db"), "denied", "unauthorized")
	mustFail(t, ours.pull("team/db"), "denied", "unauthorized", "not found")

	server.CLI(t, "robot", "disable", "team/ci")
	mustFail(t, ours.pull("team/app"), "denied", "unauthorized")
	mustFail(t, newDesk(t, server).login("robot~team+ci", first), "unknown user or wrong password")
	server.CLI(t, "robot", "enable", "team/ci")
	must(t, ours.pull("team/app"))

	second := robotSecret(t, server, "rotate", "team/ci", "--keep-old", "1h")
	renewed := newDesk(t, server)
	must(t, renewed.login("robot~team+ci", second))
	must(t, renewed.push("team/app"))
	must(t, ours.pull("team/app")) // with the old secret
	server.CLI(t, "robot", "rotate", "team/ci", "--retire-old")
	mustFail(t, ours.pull("team/app"), "denied", "unauthorized")
	must(t, renewed.pull("team/app"))

	server.CLI(t, "robot", "delete", "team/ci")
	mustFail(t, renewed.pull("team/app"), "denied", "unauthorized")
}

// TestRobotsEndWithTheirTokens: what a robot has signed in for ends when it is disabled, not when its token does.
func TestRobotsEndWithTheirTokens(t *testing.T) {
	t.Parallel()
	server := serve(t, "robot: {prefix: 'svc$'}\n")
	server.CLI(t, "project", "create", "team")
	key := robotSecret(t, server, "create", "team/ci", "--allow", "push")
	robot := wire.New(server.Addr, "svc$team+ci", key)
	if err := robot.Push("team/app", "v1", image(t, "robots")); err != nil {
		t.Fatalf("pushing as a robot: %v", err)
	}
	challenge, err := robot.Challenge()
	if err != nil {
		t.Fatal(err)
	}
	token, resp, err := robot.Token(challenge, "repository:team/app:pull")
	if err != nil || resp.Status != http.StatusOK {
		t.Fatalf("a token for a robot: got %s, %v", resp, err)
	}
	use := func() int {
		resp, err := robot.Send(wire.Request{Method: http.MethodGet, URL: "/v2/team/app/tags/list", Bearer: token.Token})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Status
	}
	if got := use(); got != http.StatusOK {
		t.Errorf("using the token: got %d, want 200", got)
	}
	server.CLI(t, "robot", "disable", "team/ci")
	if got := use(); got != http.StatusUnauthorized {
		t.Errorf("using the token of a robot that is disabled: got %d, want 401", got)
	}
}

// TestRobotsAtStockRegistries: registries that clients reach directly take a robot's tokens, whatever is in its name.
func TestRobotsAtStockRegistries(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]registry.Kind{"3.1.2": registry.V31, "2.8.2": registry.Debian28} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := beside(kind)(t)
			key := robotSecret(t, s.server, "create", "team/ci", "--allow", "push", "--repository", "app")
			for _, login := range []string{"robot~team+ci", "robot$team+ci"} {
				robot := wire.New(s.host, login, key)
				if err := robot.Push("team/app", "v1", image(t, name+login)); err != nil {
					t.Errorf("pushing as %s: %v", login, err)
				}
				if err := robot.Push("team/db", "v1", image(t, name+login)); err == nil {
					t.Errorf("pushing as %s outside of its repositories: no error, want one", login)
				}
			}
		})
	}
}
