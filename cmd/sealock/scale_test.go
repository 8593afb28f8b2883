package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/clock"
	"github.com/sealock/sealock/policy"
	"github.com/sealock/sealock/project"
)

// few is what many is compared with.
const few = 10

// many is how many lines or memberships there are on the other side of a comparison: as many as the environment says,
// or else so few that they are there in no time.
func many(b *testing.B, variable string) int {
	b.Helper()
	text := cmp.Or(os.Getenv(variable), "1000")
	n, err := strconv.Atoi(text)
	if err != nil || n < few || n%few != 0 {
		b.Fatalf("%s=%s, want a multiple of %d", variable, text, few)
	}
	return n
}

// BenchmarkScale compares what a token costs in a small and in a large installation, in turns. How
// large is for the environment to say: SEALOCK_BENCH_LINES=100000 SEALOCK_BENCH_MEMBERSHIPS=1000000.
func BenchmarkScale(b *testing.B) {
	lines, memberships := many(b, "SEALOCK_BENCH_LINES"), many(b, "SEALOCK_BENCH_MEMBERSHIPS")
	b.Run("lines", func(b *testing.B) {
		small, large := scaled(b, few, 0), scaled(b, lines, 0)
		b.Run("decision", func(b *testing.B) { inTurns(b, small.decide, large.decide) })
		b.Run("token", func(b *testing.B) { inTurns(b, small.token, large.token) })
		b.Run("load", func(b *testing.B) { loading(b, large) })
	})
	b.Run("memberships", func(b *testing.B) {
		small, large := scaled(b, 0, few), scaled(b, 0, memberships)
		b.Run("decision", func(b *testing.B) { inTurns(b, small.decide, large.decide) })
		b.Run("reread", func(b *testing.B) { inTurns(b, small.decideAgain, large.decideAgain) })
		b.Run("cold", func(b *testing.B) { inTurns(b, small.decideCold, large.decideCold) })
		b.Run("token", func(b *testing.B) { inTurns(b, small.token, large.token) })
	})
}

// inTurns times two ways to do the same, one after the other, and reports the medians and how many times the first one's
// the second one takes.
func inTurns(b *testing.B, small, large func(*testing.B)) {
	b.Helper()
	var times [2][]time.Duration
	for b.Loop() {
		for i, do := range []func(*testing.B){small, large} {
			began := time.Now()
			do(b)
			times[i] = append(times[i], time.Since(began))
		}
	}
	reportTimes(b, quantile(times[0], 0.5), quantile(times[1], 0.5))
}

func reportTimes(b *testing.B, small, large time.Duration) {
	b.Helper()
	b.ReportMetric(float64(small.Nanoseconds()), "ns-few")
	b.ReportMetric(float64(large.Nanoseconds()), "ns-many")
	b.ReportMetric(float64(large)/float64(small), "ratio")
}

// quantile sorts the times.
func quantile(times []time.Duration, q float64) time.Duration {
	slices.Sort(times)
	return times[min(int(q*float64(len(times))), len(times)-1)]
}

// installation is a system of some size with alice in it, a developer of team.
type installation struct {
	*system
	alice    auth.Subject
	projects int // that the bulk of the memberships is in

	clock *clock.Manual
	cold  *policy.Engine // remembers nothing for longer than clock stands still
}

// scaled makes a system with as many policy lines, 0 for the default policy, and memberships.
func scaled(b *testing.B, lines, memberships int) *installation {
	b.Helper()
	dir := b.TempDir()
	in := &installation{system: startSystem(b, map[string]string{"only": "auth", "policy.dir": dir}), clock: clock.NewManual(time.Now())}
	withAlice(b, in.system)
	user, err := in.store.UserByName(b.Context(), "alice")
	if err != nil {
		b.Fatal(err)
	}
	in.alice = auth.Subject{Name: user.Name, ID: user.ID, Kind: auth.KindUser}
	if lines > 0 {
		text := policy.Text{Model: in.policy.Text().Model, Rules: policyOf(lines)}
		if _, err := in.policy.Replace(b.Context(), text, policy.Edit{}, ""); err != nil {
			b.Fatal(err)
		}
	}
	in.fill(b, memberships)
	directory := project.NewDirectory(in.store, in.clock)
	b.Cleanup(directory.Close)
	if in.cold, err = policy.Open(dir, membership{directory}, quiet()); err != nil {
		b.Fatal(err)
	}
	return in
}

// policyOf returns a policy of so many lines, of which the last one lets developers push: the others are for other roles,
// users and repositories, in all kinds of patterns.
func policyOf(lines int) string {
	var text strings.Builder
	for i := range lines - 1 {
		fmt.Fprintf(&text, []string{
			"p, role%[1]d, repository, group%[1]d/**, pull, allow\n",
			"p, developer, repository, team%[1]d/**, pull, deny\n",
			"p, developer, repository, team/lib-%[1]d-*, push, deny\n",
			"p, user:user%[1]d, repository, team/app, pull, deny\n",
		}[i%4], i)
	}
	text.WriteString("p, developer, repository, **, pull|push, allow\n")
	return text.String()
}

// The numbers of the bulk begin where those of what was made one by one will not come.
const bulk = 1_000_000

// fill makes memberships: each project has ten members, and each user is one of ten projects where there are as many.
func (in *installation) fill(b *testing.B, memberships int) {
	b.Helper()
	if memberships == 0 {
		return
	}
	in.projects = memberships / few
	users := max(few, in.projects)
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(in.dir.database())+"?_pragma=busy_timeout(5000)")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	const numbers = "WITH RECURSIVE k (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM k WHERE n + 1 < ?) "
	for _, q := range []struct {
		text string
		args []any
	}{
		{numbers + `INSERT INTO users (id, name, name_key, email, real_name, comment, password_hash, sysadmin, created_at, updated_at)
			SELECT ? + n, 'user' || n, 'user' || n, 'user' || n || '@example.org', '', '', '', FALSE, n, n FROM k`, []any{users, bulk}},
		{numbers + `INSERT INTO projects (id, name, name_key, owner_id, public, created_at, updated_at)
			SELECT ? + n, 'project' || n, 'project' || n, ? + n, FALSE, n, n FROM k`, []any{in.projects, bulk, bulk}},
		{numbers + `INSERT INTO members (project_id, user_id, role, created_at, updated_at)
			SELECT ? + n / 10, ? + (n / 10 + n % 10 * ?) % ?, 2, n, n FROM k`, []any{memberships, bulk, bulk, users / few, users}},
		{"PRAGMA wal_checkpoint(TRUNCATE)", nil}, // as it is soon after: what is read is in the database, not in its log
	} {
		if _, err := db.ExecContext(b.Context(), q.text, q.args...); err != nil {
			b.Fatal(err)
		}
	}
}

func pushTo(name string) auth.Scope {
	return auth.Scope{{Type: auth.TypeRepository, Name: name, Actions: []auth.Action{auth.ActionPull, auth.ActionPush}}}
}

// decide takes a decision that rests on what is in memory.
func (in *installation) decide(b *testing.B) {
	in.grants(b, in.policy, in.alice, "team/app")
}

// decideAgain takes one whose membership has to be read from the store anew, and was read there before.
func (in *installation) decideAgain(b *testing.B) {
	in.clock.Advance(time.Minute)
	in.grants(b, in.cold, in.alice, "team/app")
}

// decideCold takes one about any of the users in one of its projects, both of which have to be read from the store.
func (in *installation) decideCold(b *testing.B) {
	in.clock.Advance(time.Minute)
	n := rand.IntN(in.projects) // user n owns project n and is its first member
	user := auth.Subject{Name: "user" + strconv.Itoa(n), ID: bulk + int64(n), Kind: auth.KindUser}
	in.grants(b, in.cold, user, "project"+strconv.Itoa(n)+"/app")
}

func (in *installation) grants(b *testing.B, by *policy.Engine, who auth.Subject, repository string) {
	d, err := by.Authorize(b.Context(), who, pushTo(repository))
	if err != nil || len(d.Granted) != 1 || len(d.Granted[0].Actions) != 2 {
		b.Fatalf("Authorize(%s, %s) = %v, %v, want pull and push", who.Name, repository, d, err)
	}
}

// token gets a token at the end-point, by a password that was seen before.
func (in *installation) token(b *testing.B) {
	if _, got := in.granted(b, "alice", "wonderland-1", wanted); got != wanted {
		b.Fatalf("a token for %s grants %q", wanted, got)
	}
}

// loading reports how long a policy takes to load, and what the slowest of a thousand decisions costs without a load and
// during it.
func loading(b *testing.B, in *installation) {
	var took, quietly, meanwhile []time.Duration
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		var loader sync.WaitGroup
		quietly = append(quietly, in.decisions(ctx, b, time.Second)...)
		loader.Go(func() {
			defer cancel()
			began := time.Now()
			if _, err := in.policy.Reload(b.Context()); err != nil {
				b.Error(err)
			}
			took = append(took, time.Since(began))
		})
		meanwhile = append(meanwhile, in.decisions(ctx, b, time.Minute)...)
		loader.Wait()
	}
	reportTimes(b, quantile(quietly, 0.999), quantile(meanwhile, 0.999))
	b.ReportMetric(float64(slices.Max(quietly).Nanoseconds()), "ns-slowest-few")
	b.ReportMetric(float64(slices.Max(meanwhile).Nanoseconds()), "ns-slowest-many")
	b.ReportMetric(float64(quantile(took, 0.5).Nanoseconds()), "ns-load")
}

// decisions takes decisions until ctx ends or the time is up, and returns what each of them took. Between them is as much
// rest as requests leave.
func (in *installation) decisions(ctx context.Context, b *testing.B, limit time.Duration) []time.Duration {
	var times []time.Duration
	for end := time.Now().Add(limit); ctx.Err() == nil && time.Now().Before(end); time.Sleep(50 * time.Microsecond) {
		began := time.Now()
		in.decide(b) //nolint:contextcheck // ctx only says when to stop
		times = append(times, time.Since(began))
	}
	return times
}
