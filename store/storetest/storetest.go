package storetest

import (
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Run runs the suite. open returns a new, empty store; whoever opens it closes it when the test ends.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(t *testing.T, s store.Store)
	}{
		{"users", users},
		{"user names", userNames},
		{"user updates", userUpdates},
		{"last system administrator", lastSysAdmin},
		{"user deletion", userDeletion},
		{"second factors", secondFactors},
		{"second factor's flag", factorFlag},
		{"one-time codes", oneTime},
		{"projects", projects},
		{"project updates", projectUpdates},
		{"words of projects", projectWords},
		{"schedules", schedules},
		{"configurations", configurations},
		{"first members", firstMembers},
		{"visible projects", visibleProjects},
		{"project deletion", projectDeletion},
		{"members", members},
		{"members of other projects", foreignMembers},
		{"members with custom roles and for some repositories", memberships},
		{"names of projects", projectNames},
		{"audit of projects with several names", auditNames},
		{"member lists", memberLists},
		{"robots", robots},
		{"robot updates", robotUpdates},
		{"robots of projects", robotsOfProjects},
		{"robot lists", robotLists},
		{"robot rotations", robotRotations},
		{"groups", groups},
		{"group updates", groupUpdates},
		{"group lists", groupLists},
		{"group members", groupMembers},
		{"groups of subjects", groupIDs},
		{"groups as members", groupsAsMembers},
		{"hostile groups", hostileGroups},
		{"group changes", groupChanges},
		{"group races", groupRaces},
		{"refresh tokens", refreshTokens},
		{"expired tokens", expiredTokens},
		{"revoked tokens", revokedTokens},
		{"device codes", deviceCodes},
		{"device code limits", deviceLimits},
		{"one use of a device code", oneDeviceUse},
		{"identities", identities},
		{"sessions", sessions},
		{"sessions of the changed", sessionsOfTheChanged},
		{"personal access tokens", personalTokens},
		{"refused personal access tokens", refusedPersonalTokens},
		{"lists of personal access tokens", personalTokenLists},
		{"the end of personal access tokens", endOfPersonalTokens},
		{"a crowd of personal access tokens", crowdOfPersonalTokens},
		{"login failures", loginFailures},
		{"known logins", knownLogins},
		{"lockout lists", lockoutLists},
		{"dropped lockouts", droppedLockouts},
		{"project renames", projectRenames},
		{"pushes", pushes},
		{"indexes of manifests", indexes},
		{"referrers", referrers},
		{"shared blobs", sharedBlobs},
		{"lists of the index", indexLists},
		{"repositories of a member", memberRepositories},
		{"pull counts", pullCounts},
		{"pushes at once", pushesAtOnce},
		{"reindexes", reindexes},
		{"reindexes at once", reindexRace},
		{"policy revisions", policyRevisions},
		{"policy revisions at once", policyRace},
		{"registries", registries},
		{"replication policies", replicationPolicies},
		{"webhook policies", webhookPolicies},
		{"retention policies", retentionPolicies},
		{"immutable tag rules", immutableRules},
		{"labels", labels},
		{"labels on artifacts", artifactLabels},
		{"policies of deleted projects", policiesOfDeletedProjects},
		{"a crowd of immutable tag rules", crowdOfImmutableRules},
		{"audit", auditTrail},
		{"audit records of tokens", auditByTime},
		{"hostile audit records", hostileAudit},
		{"audit filters", auditFilters},
		{"paging users", pagingUsers},
		{"paging projects", pagingProjects},
		{"paging audit", pagingAudit},
		{"conditions on users", whereUsers},
		{"conditions on projects", whereProjects},
		{"conditions on artifacts", whereArtifacts},
		{"conditions on labels", whereLabels},
		{"conditions on audit records", whereAudit},
		{"conditions of many parts", manyParts},
		{"bad conditions", badConditions},
		{"projects by what they hold", usageOrder},
		{"sums while pushes come", usageRace},
		{"lists hold nothing", listsHoldNothing},
		{"bad filters", badFilters},
		{"hostile names", hostileNames},
		{"unstorable texts", unstorable},
		{"subscribers", subscribers},
		{"silence", silence},
		{"one winner", oneWinner},
		{"no lost update", noLostUpdate},
		{"no lost failure", noLostFailure},
		{"readers during writes", readersDuringWrites},
		{"last of several administrators", lastOfSeveral},
		{"cancellation", cancellation},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(t, open(t))
		})
	}
}

// must returns v, or ends the test.
func must[T any](t *testing.T, what string) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%s = %v, want no error", what, err)
		}
		return v
	}
}

func ok(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s = %v, want no error", what, err)
	}
}

// kind checks the kind of an error, and that it can be shown.
func kind(t *testing.T, what string, err error, want errs.Kind) {
	t.Helper()
	if !errs.Is(err, want) {
		t.Errorf("%s = %v, want an error of kind %q", what, err, want)
		return
	}
	if e, _ := errors.AsType[*errs.Error](err); e.Message == "" {
		t.Errorf("%s has an error without a message", what)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %+v, want %+v", what, got, want)
	}
}

// all reads a list to its end.
func all[T any](t *testing.T, what string, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var out []T
	for v, err := range seq {
		if err != nil {
			t.Fatalf("%s = %v, want no error", what, err)
		}
		out = append(out, v)
	}
	return out
}

// listError returns the error that a list ends with.
func listError[T any](seq iter.Seq2[T, error]) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}

func user(t *testing.T, s store.Store, name string) store.User {
	t.Helper()
	return must[store.User](t, "CreateUser("+name+")")(s.CreateUser(t.Context(), store.User{Name: name}))
}

func project(t *testing.T, s store.Store, name string) store.Project {
	t.Helper()
	return must[store.Project](t, "CreateProject("+name+")")(s.CreateProject(t.Context(), store.Project{Name: name}))
}

func member(t *testing.T, s store.Store, p store.Project, u store.User, role store.Role) store.Member {
	t.Helper()
	m, err := s.AddMember(t.Context(), store.Member{ProjectID: p.ID, UserID: u.ID, Role: role})
	return must[store.Member](t, "AddMember("+p.Name+", "+u.Name+")")(m, err)
}

// when is a time as every store keeps it.
func when(minutes int) time.Time {
	return time.Date(2030, 1, 2, 3, 4, 5, 678901000, time.UTC).Add(time.Duration(minutes) * time.Minute)
}
