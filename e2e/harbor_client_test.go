package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sealock/sealock/api/client"
)

// generated is a Go program with the client that is made of the document.
func (s *harborScript) generated() {
	t, ctx := s.t, s.t.Context()
	c, err := client.NewClientWithResponses(s.server.URL, client.WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
		req.SetBasicAuth(s.user, s.password)
		s.calls.note(req)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	location := func(r *http.Response, err error, status int) int64 {
		t.Helper()
		if err != nil || r.StatusCode != status {
			t.Fatalf("%v, %v, want %d", r, err, status)
		}
		return int64(id(r.Header.Get("Location")))
	}
	made, err := c.CreateProjectWithResponse(ctx, nil, client.ProjectReq{
		ProjectName: new("typed"), StorageLimit: new(int64(1 << 20)), Metadata: &client.ProjectMetadata{Public: new("true"), AutoScan: new("false")},
	})
	if err != nil {
		t.Fatal(err)
	}
	project := location(made.HTTPResponse, err, 201)
	again, err := c.CreateProjectWithResponse(ctx, nil, client.ProjectReq{ProjectName: new("typed")})
	if err != nil || again.JSON409 == nil || again.JSON409.Errors[0].Code != "CONFLICT" {
		t.Errorf("making a project again = %v, %v, want the error CONFLICT", again, err)
	}
	got, err := c.GetProjectWithResponse(ctx, "typed", &client.GetProjectParams{XIsResourceName: new(true)})
	if err != nil || got.JSON200 == nil || got.JSON200.ProjectID != project || *got.JSON200.Metadata.Public != "true" {
		t.Errorf("the project = %v, %v, want what was made", got, err)
	}
	quotas, err := c.ListQuotasWithResponse(ctx, &client.ListQuotasParams{ReferenceID: new(fmt.Sprint(project)), Reference: new(client.ListQuotasParamsReferenceProject)})
	if err != nil || quotas.JSON200 == nil || len(*quotas.JSON200) != 1 || (*quotas.JSON200)[0].Hard["storage"] != 1<<20 {
		t.Fatalf("quotas of the project = %v, %v, want its own", quotas, err)
	}
	s.typedMember(ctx, c)
	s.typedImages(ctx, c)

	robot, err := c.CreateRobotWithResponse(ctx, client.RobotCreate{Name: new("typed"), Level: new("system"), Duration: new(int64(7)), Permissions: []client.RobotPermission{
		{Kind: "project", Namespace: "typed", Access: []client.Access{{Resource: "repository", Action: "pull"}}},
	}})
	if err != nil || robot.JSON201 == nil || robot.JSON201.Secret == "" {
		t.Fatalf("making a robot = %v, %v, want its secret", robot, err)
	}
	read, err := c.GetRobotWithResponse(ctx, robot.JSON201.ID)
	if err != nil || read.JSON200 == nil || len(read.JSON200.Permissions) != 1 || strings.Contains(string(read.Body), robot.JSON201.Secret) {
		t.Errorf("the robot = %v, %v, want its permissions and no secret", read, err)
	}
	none, err := c.StartReplicationWithResponse(ctx, client.StartReplicationExecution{PolicyID: new(int64(99))})
	if err != nil || none.JSON404 == nil {
		t.Errorf("starting a replication by no policy = %v, %v, want 404", none, err)
	}
	trail, err := c.ListAuditLogsWithResponse(ctx, &client.ListAuditLogsParams{Q: new("operation=create,resource_type=robot"), PageSize: new(int64(1))})
	if err != nil || trail.JSON200 == nil || len(*trail.JSON200) != 1 {
		t.Errorf("the trail of robots = %v, %v, want a record", trail, err)
	}
	gone, err := c.DeleteProjectWithResponse(ctx, "typed", nil)
	if err != nil || gone.StatusCode() != 200 {
		t.Errorf("deleting the project = %v, %v, want 200", gone, err)
	}
}

func (s *harborScript) typedMember(ctx context.Context, c *client.ClientWithResponses) {
	added, err := c.AddMemberWithResponse(ctx, "typed", nil, client.ProjectMember{RoleID: 3, MemberUser: &client.UserEntity{Username: new("ann")}})
	if err != nil || added.StatusCode() != 201 {
		s.t.Fatalf("adding a member = %v, %v, want 201", added, err)
	}
	list, err := c.ListMembersWithResponse(ctx, "typed", &client.ListMembersParams{Entityname: new("ann")})
	if err != nil || list.JSON200 == nil || len(*list.JSON200) != 1 || (*list.JSON200)[0].RoleID != 3 {
		s.t.Errorf("the members = %v, %v, want ann as a guest", list, err)
	}
}

func (s *harborScript) typedImages(ctx context.Context, c *client.ClientWithResponses) {
	repositories, err := c.ListRepositoriesWithResponse(ctx, "shop", nil)
	if err != nil || repositories.JSON200 == nil {
		s.t.Fatalf("the repositories = %v, %v, want a list", repositories, err)
	}
	for _, r := range *repositories.JSON200 {
		name := strings.TrimPrefix(r.Name, "shop/")
		artifacts, err := c.ListArtifactsWithResponse(ctx, "shop", name, &client.ListArtifactsParams{WithTag: new(true)})
		if err != nil || artifacts.JSON200 == nil || int64(len(*artifacts.JSON200)) != r.ArtifactCount {
			s.t.Errorf("the artifacts of %s = %v, %v, want %d", r.Name, artifacts, err, r.ArtifactCount)
		}
	}
}

// beyond reads what Harbor has not, by the same conventions; what it does is for the command line's tests.
func (s *harborScript) beyond() {
	s.create("/projects", fields{"project_name": "before"})
	s.call(200, "PUT", "/projects/before/name", fields{"name": "after"})
	s.wantNames("former names", s.get("/projects/after/former-names").names("name"), "before")
	s.call(200, "DELETE", "/projects/after/former-names/before", nil)
	s.call(200, "DELETE", "/projects/after", nil)
	s.call(200, "GET", "/roles", nil)
	s.get("/refresh-tokens?all=true").total()
	s.call(404, "DELETE", "/refresh-tokens/none", nil)
	s.get("/lockouts").total()
	s.call(404, "DELETE", "/lockouts/none", nil)
	pat := s.call(201, "POST", "/personal-access-tokens", fields{"name": "script"}).object()
	s.wantNames("own tokens", s.get("/personal-access-tokens").names("name"), "script")
	s.call(200, "DELETE", "/personal-access-tokens/"+fmt.Sprint(pat["id"]), nil)
	s.get("/keys").list()
	s.call(200, "POST", "/keys/rotate", nil)
	rules := s.get("/policy").object()
	s.call(200, "POST", "/policy/check", fields{"policy": rules["policy"]})
	s.call(200, "POST", "/policy/explain", fields{"action": "push", "name": "shop/web"})
	s.call(200, "POST", "/policy/diff", fields{"new": fields{"policy": rules["policy"]}, "days": 1})
	s.call(200, "POST", "/policy/reload", nil)
	s.call(200, "PUT", "/policy", fields{"policy": rules["policy"], "comment": "as it was"})
	revision := s.get("/policy/history").list()[0]
	s.get(fmt.Sprintf("/policy/history/%.0f", revision["id"]))
	s.call(200, "POST", fmt.Sprintf("/policy/history/%.0f/rollback", revision["id"]), nil)
	decision := s.get("/decisions?page_size=1").list()[0]
	s.get("/decisions/" + fmt.Sprint(decision["jti"]))
	s.get("/audit-logs/export")
	s.call(200, "POST", "/audit-logs/verification", fields{"marks": []any{}})
	s.get("/users/current/second_factor")
	s.call(403, "DELETE", "/users/1/second_factor", nil) // the own one
	s.call(202, "POST", "/reindex", nil)
	s.get("/reindex")
	if got := s.send("DELETE", "/api/v2.0/reindex", nil); got.Status != 200 && got.Status != 404 {
		s.t.Errorf("%s = %d %s, want 200, or 404 when it is over", got.what, got.Status, got.Body)
	}
}

// everything holds that no operation of the document was left out.
func (s *harborScript) everything() {
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(s.get("/openapi.json").Body, &document); err != nil {
		s.t.Fatal(err)
	}
	called := map[string]bool{}
	for call := range s.calls.of {
		method, path, _ := strings.Cut(call, " ")
		best := ""
		for pattern, methods := range document.Paths {
			if _, there := methods[strings.ToLower(method)]; there && fits(pattern, path) && (best == "" || strings.Count(pattern, "{") < strings.Count(best, "{")) {
				best = pattern
			}
		}
		called[method+" "+best] = true
	}
	var missing []string
	for path, methods := range document.Paths {
		for method := range methods {
			if operation := strings.ToUpper(method) + " " + path; method != "parameters" && !called[operation] {
				missing = append(missing, operation)
			}
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		s.t.Errorf("no script called\n%s", strings.Join(missing, "\n"))
	}
}

// fits reports whether a path is one of a pattern's.
func fits(pattern, path string) bool {
	a, b := strings.Split(pattern, "/"), strings.Split(path, "/")
	for i := range a {
		if len(a) != len(b) || a[i] != b[i] && !strings.HasPrefix(a[i], "{") {
			return false
		}
	}
	return true
}
