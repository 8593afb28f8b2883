package project_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// TestNarrowedCredentialsCountWhatTheySee lists with credentials that are good for some repositories: a token, and a robot.
func TestNarrowedCredentialsCountWhatTheySee(t *testing.T) {
	g := newGiving(t)
	ctx := t.Context()
	for i, name := range []string{"team/app", "team/app-1", "team/other", "open/app"} {
		of, _ := auth.Project(name)
		_, err := g.store.PutArtifact(ctx, store.Push{
			ProjectID: g.ids["project:"+of], Repository: name, Artifact: store.Artifact{Digest: fmt.Sprintf("sha256:%064d", i), Size: 10, PushedAt: start},
		})
		g.ok("PutArtifact", err)
	}
	bound := func(p ...auth.Permission) project.Caller {
		c := g.as("alice")
		c.Subject = c.Bound(append(p, may("*", "project", "*"), may("", "project", "list")), time.Time{})
		return c
	}
	list := func(patterns ...string) auth.Permission { return repositories("team", patterns, "list") }
	robot := robotCaller(list("app-*"), may("team", "project", "read"), may("team", "repository", "pull"))
	robot.Grants = append(robot.Grants, list("app"))
	for name, tt := range map[string]struct {
		c              project.Caller
		all, team, sum int // repositories in lists of all and of team, -1 for a refusal, and in the statistics
	}{
		"a member":                       {g.as("alice"), 4, 3, 4},
		"an administrator":               {g.as("admin"), 4, 3, 4},
		"a token for everything":         {bound(may("*", "*", "*")), 4, 3, 4},
		"a token for a project":          {bound(list()), 3, 3, 3},
		"a token for some repositories":  {bound(list("app*")), 2, -1, 2},
		"a token for none":               {bound(), 0, -1, 0},
		"a token for the public project": {bound(repositories("open", nil, "list")), 1, -1, 1},
		"a robot for some repositories":  {robot, 1, -1, 1}, // it is a member of none, and sees what is public
	} {
		l, err := g.ListRepositories(ctx, tt.c, project.RepositoryQuery{})
		if err != nil || l.Total != tt.all || len(l.Items) != tt.all {
			t.Errorf("ListRepositories as %s = %d of %d, %v, want %d", name, len(l.Items), l.Total, err, tt.all)
		}
		l, err = g.ListProjectRepositories(ctx, tt.c, named("team"), project.RepositoryQuery{})
		if (err != nil) != (tt.team < 0) || err == nil && (l.Total != tt.team || len(l.Items) != tt.team) {
			t.Errorf("ListProjectRepositories as %s = %d of %d, %v, want %d", name, len(l.Items), l.Total, err, tt.team)
		}
		st, _, err := g.Statistics(ctx, tt.c)
		if n := st.PrivateRepositories + st.PublicRepositories; err != nil || n != tt.sum {
			t.Errorf("Statistics as %s count %d repositories, %v, want %d", name, n, err, tt.sum)
		}
	}
}
