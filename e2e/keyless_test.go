package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sealock/sealock/e2e/internal/issuer"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

// platforms are the issuers of a CI system at GitHub's, one at GitLab's, and a cluster.
type platforms struct {
	server                     *sealock.Server
	github, gitlab, kubernetes *issuer.Issuer
}

const registryURL = "https://registry.example.com"

// newPlatforms starts a sealock that trusts a branch, a project and a service account.
func newPlatforms(t *testing.T) platforms {
	t.Helper()
	p := platforms{github: issuer.New(t), gitlab: issuer.New(t), kubernetes: issuer.New(t)}
	p.server = serve(t, fmt.Sprintf(`workloads:
- name: github
  issuer: %s
  audience: %[4]s
  conditions: {repository_owner_id: "65", repository: octo-org/app, ref: [refs/heads/main, refs/tags/v*]}
  roles: [{project: team, role: developer}]
  repositories: [team/app-*]
- name: gitlab
  issuer: %[2]s
  audience: %[4]s
  conditions: {project_id: 20, ref_protected: true}
  roles: [{project: team, role: developer}]
- name: pods
  issuer: %[3]s
  audience: %[4]s
  conditions: {/kubernetes.io/namespace: build, /kubernetes.io/serviceaccount/name: puller}
  roles: [{project: team, role: guest}]
`, p.github.URL, p.gitlab.URL, p.kubernetes.URL, registryURL))
	p.server.AddProject(t, "team")
	return p
}

// githubJob is the JWT of a job in a repository.
func (p platforms) githubJob(t *testing.T, repository string) string {
	t.Helper()
	return p.github.Sign(t, map[string]any{
		"aud": registryURL, "sub": "repo:" + repository + ":ref:refs/heads/main", "repository": repository, "ref": "refs/heads/main",
		"repository_owner_id": "65", "repository_id": "74", "event_name": "push", "ref_type": "branch",
	})
}

func (p platforms) gitlabJob(t *testing.T) string {
	t.Helper()
	return p.gitlab.Sign(t, map[string]any{
		"aud": registryURL, "sub": "project_path:group/app:ref_type:branch:ref:main", "project_path": "group/app", "project_id": "20", "ref_protected": "true",
	})
}

func (p platforms) pod(t *testing.T) string {
	t.Helper()
	return p.kubernetes.Sign(t, map[string]any{
		"aud": []string{registryURL}, "sub": "system:serviceaccount:build:puller",
		"kubernetes.io": map[string]any{"namespace": "build", "serviceaccount": map[string]any{"name": "puller", "uid": "1"}},
	})
}

// send posts a form, as curl does.
func (p platforms) send(t *testing.T, path string, form url.Values) (int, map[string]any) {
	t.Helper()
	resp, err := http.PostForm(p.server.URL+path, form) //nolint:noctx // as curl
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var said map[string]any
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatalf("POST %s: %v in %s", path, err, text)
	}
	return resp.StatusCode, said
}

// TestKeyless shows a JWT of each of the three platforms, and each of the three ways to bring one.
func TestKeyless(t *testing.T) {
	t.Parallel()
	p := newPlatforms(t)

	job := newDesk(t, p.server)
	must(t, job.login("jwt", p.githubJob(t, "octo-org/app")))
	must(t, job.push("team/app-web"))
	must(t, job.pull("team/app-web"))
	mustFail(t, job.push("team/other"), "denied", "unauthorized") // beyond the rule's repositories

	evil := newDesk(t, p.server)
	mustFail(t, evil.login("jwt", p.githubJob(t, "evil/app")), `no trust rule fits the JWT of \"repo:evil/app:ref:refs/heads/main\"`, `no trust rule fits the JWT of "repo:evil/app:ref:refs/heads/main"`)
	mustFail(t, evil.login("gitlab", p.githubJob(t, "octo-org/app")), "there is no trust rule")
	mustFail(t, evil.login("ci~github", "wonderland"), "is no JWT")
	mustFail(t, evil.push("team/app-web"), "denied", "unauthorized")

	p.exchange(t)
	p.refreshExchange(t)
}

// exchange pulls, without a client, with what a pod's JWT is exchanged for.
func (p platforms) exchange(t *testing.T) {
	t.Helper()
	status, said := p.send(t, "/service/token", url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"}, "subject_token": {p.pod(t)},
		"audience": {"sealock"}, "scope": {"repository:team/app-web:pull,push"},
	})
	if status != http.StatusOK || said["scope"] != "repository:team/app-web:pull" {
		t.Fatalf("exchange of a pod's JWT = %d %v, want a token that pulls", status, said)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.server.URL+"/v2/team/app-web/manifests/1.0.0", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", fmt.Sprint("Bearer ", said["access_token"]))
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("pull with the exchanged token = %d, want 200", resp.StatusCode)
	}
}

// refreshExchange logs in with docker as clients of Azure's registries do.
func (p platforms) refreshExchange(t *testing.T) {
	t.Helper()
	status, said := p.send(t, "/oauth2/exchange", url.Values{
		"grant_type": {"access_token"}, "service": {"sealock"}, "tenant": {"any"}, "access_token": {p.gitlabJob(t)},
	})
	refresh, _ := said["refresh_token"].(string)
	if status != http.StatusOK || refresh == "" {
		t.Fatalf("/oauth2/exchange = %d %v, want a refresh token", status, said)
	}
	d := newDesk(t, p.server)
	must(t, d.login("00000000-0000-0000-0000-000000000000", refresh))
	must(t, d.pull("team/app-web"))
	must(t, d.push("team/anything")) // within the role, and no rule bounds it
	status, said = p.send(t, "/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "service": {"sealock"}, "scope": {"repository:team/app-web:pull"}, "refresh_token": {refresh},
	})
	if status != http.StatusOK || said["access_token"] == "" {
		t.Errorf("/oauth2/token = %d %v, want an access token", status, said)
	}
}

// TestIssuerDown shows that nobody answers for an issuer whose keys can't be had.
func TestIssuerDown(t *testing.T) {
	t.Parallel()
	p := newPlatforms(t)
	p.github.Down()
	d := newDesk(t, p.server)
	out := d.login("jwt", p.githubJob(t, "octo-org/app"))
	mustFail(t, out, "does not answer", "503")
	if strings.Contains(out.Text, p.github.URL) {
		t.Errorf("the client is told where the issuer is:\n%s", out)
	}
	must(t, newDesk(t, p.server).login("jwt", p.gitlabJob(t))) // others go on
}
