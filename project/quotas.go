package project

import (
	"context"
	"slices"
	"strconv"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// MaxStorage is the largest quota there can be, Harbor's: 1024 TB.
const MaxStorage = 1 << 50

// Rules are what an administrator decides at run time. The settings' Runtime is one.
type Rules interface {
	// AdminsCreateProjects reports whether system administrators alone may, whatever the policy says.
	AdminsCreateProjects() bool
	// DefaultStorage is how many bytes a new project may hold when nobody says; 0 is any number.
	DefaultStorage() int64
	// QuotasCount reports whether what projects may hold is enforced.
	QuotasCount() bool
	// RobotDays is for how long robots live when nobody says.
	RobotDays() int
}

// WithRules returns a service that asks for what an administrator decides at run time.
func (s *Service) WithRules(r Rules) *Service {
	with := *s
	with.rules = r
	return &with
}

// mayCreate refuses whoever is no administrator where those alone create projects. A robot was given the right by name.
func (s *Service) mayCreate(c Caller) error {
	if s.rules == nil || !s.rules.AdminsCreateProjects() || c.SysAdmin || c.BoundedAdmin || c.Kind == auth.KindRobot {
		return nil
	}
	return errs.New(errs.Denied, "only system administrators may create projects here").WithHint(askSystemAdmin)
}

// newLimit is what a new project may hold. Whoever may not change quotas does not choose it: what they ask for is not an
// error, because Harbor's clients send it always.
func (s *Service) newLimit(ctx context.Context, c Caller, asked *int64) (int64, error) {
	if asked != nil && *asked != 0 {
		may, err := s.may(ctx, c, auth.Access{Resource: "quota", Action: "update"})
		if err != nil {
			return 0, err
		}
		if may {
			return limitOf(*asked)
		}
	}
	if s.rules == nil {
		return 0, nil
	}
	return s.rules.DefaultStorage(), nil
}

// changedLimit is what a project may hold from now on: for those who may not change quotas what it may already.
func (s *Service) changedLimit(ctx context.Context, c Caller, p store.Project, asked int64) (int64, error) {
	may, err := s.may(ctx, c, auth.Access{Resource: "quota", Action: "update"})
	if err != nil || !may || asked == 0 {
		return p.StorageLimit, err
	}
	return limitOf(asked)
}

// limitOf turns Harbor's number of bytes, in which -1 is any number, into the store's.
func limitOf(hard int64) (int64, error) {
	switch {
	case hard == -1:
		return 0, nil
	case hard <= 0 || hard > MaxStorage:
		return 0, errs.New(errs.Invalid, "%d bytes can't be a quota", hard).WithHint("give 1 to %d, or -1 for any number", int64(MaxStorage))
	}
	return hard, nil
}

// Quota is what a project may hold, and holds. Its id is the project's.
type Quota struct {
	store.Project
	Used int64
}

// Hard returns the limit in Harbor's words: -1 is any number.
func (q Quota) Hard() int64 {
	if q.StorageLimit == 0 {
		return -1
	}
	return q.StorageLimit
}

// QuotaQuery narrows a list of quotas.
type QuotaQuery struct {
	Project int64 // of this project; 0 is all
	Paging
}

// ListQuotas lists the quotas of projects.
func (s *Service) ListQuotas(ctx context.Context, c Caller, q QuotaQuery) (List[Quota], error) {
	if err := s.require(ctx, c, auth.Access{Resource: "quota", Action: "list"}, "list quotas", askSystemAdmin); err != nil {
		return List[Quota]{}, err
	}
	found, err := s.quotaProjects(ctx, q)
	if err != nil {
		return List[Quota]{}, err
	}
	items, err := s.withUsage(ctx, found.Items)
	return List[Quota]{Items: items, Total: found.Total}, err
}

func (s *Service) quotaProjects(ctx context.Context, q QuotaQuery) (List[store.Project], error) {
	f := q.apply(store.Filter{})
	f.Where = slices.Clone(f.Where)
	for i, c := range f.Where {
		if c.Field == "storage_limit" {
			f.Where[i] = limits(c)
		}
	}
	if q.Project != 0 {
		f.Where = append(f.Where, store.Is("id", q.Project))
	}
	total, err := s.store.CountProjects(ctx, f)
	return collect(s.store.ListProjects(ctx, f), total, err, asIs)
}

// limits turns a condition on Harbor's numbers of bytes, in which -1 is any number, into one on the store's.
func limits(c store.Condition) store.Condition {
	kept := store.Condition{Field: c.Field}
	for _, span := range c.Any {
		if (store.Condition{Any: []store.Span{span}}).Match(store.Number, int64(-1)) {
			kept.Any = append(kept.Any, store.Exactly(int64(0)))
		}
		from, bounded := span.From.(int64)
		if !bounded || from < 1 {
			span.From = int64(1)
		}
		kept.Any = append(kept.Any, span)
	}
	return kept
}

// withUsage adds what the projects hold.
func (s *Service) withUsage(ctx context.Context, projects []store.Project) ([]Quota, error) {
	ids := make([]int64, len(projects))
	for i, p := range projects {
		ids[i] = p.ID
	}
	used, err := s.store.Usage(ctx, ids)
	if err != nil {
		return nil, err
	}
	quotas := make([]Quota, len(projects))
	for i, p := range projects {
		quotas[i] = Quota{Project: p, Used: used[p.ID]}
	}
	return quotas, nil
}

// Quota returns the quota of a project by its id.
func (s *Service) Quota(ctx context.Context, c Caller, id int64) (Quota, error) {
	if err := s.require(ctx, c, auth.Access{Resource: "quota", Action: "read"}, "see quotas", askSystemAdmin); err != nil {
		return Quota{}, err
	}
	p, err := s.store.Project(ctx, id)
	if err != nil {
		return Quota{}, noQuota(id, err)
	}
	quotas, err := s.withUsage(ctx, []store.Project{p})
	if err != nil {
		return Quota{}, err
	}
	return quotas[0], nil
}

func noQuota(id int64, err error) error {
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.NotFound, "quota %d not found", id).WithHint("list them to see which there are").Because(err)
	}
	return err
}

// SetQuota changes how many bytes a project may hold, -1 being any number. It may be less than what it holds: then
// nothing more comes in.
func (s *Service) SetQuota(ctx context.Context, c Caller, id, hard int64) error {
	resource := "quota:#" + itoa(id)
	if p, err := s.store.Project(ctx, id); err == nil {
		resource = "project:" + p.Name + "/quota"
	}
	var limit int64
	return s.perform(ctx, c, deed{
		operation: "quota.update", resource: resource, what: "change quotas", remedy: askSystemAdmin,
		access: auth.Access{Resource: "quota", Action: "update"},
		check: func(ctx context.Context) (err error) {
			if limit, err = limitOf(hard); err != nil {
				return err
			}
			_, err = s.store.Project(ctx, id)
			return noQuota(id, err)
		},
		do: func(ctx context.Context) error {
			_, err := s.store.UpdateProject(ctx, id, func(p *store.Project) error {
				p.StorageLimit = limit
				return nil
			})
			return err
		},
	})
}

// Summary is what a project holds and who is in it, as far as the caller may see that.
type Summary struct {
	Repositories int
	Members      map[store.Role]int // nil: not for the caller to see
	Quota        *Quota             // nil: likewise
}

// Summary sums a project up.
func (s *Service) Summary(ctx context.Context, c Caller, ref Ref) (sum Summary, err error) {
	p, err := s.Project(ctx, c, ref)
	if err != nil {
		return Summary{}, err
	}
	in, err := s.partial(ctx, c, "repository", []store.Project{p})
	if err != nil {
		return Summary{}, err
	}
	if sum.Repositories, _, err = s.repositoryRecords(ctx, c).total(ctx, store.IndexFilter{Projects: []int64{p.ID}}, in); err != nil {
		return Summary{}, err
	}
	if ok, err := s.may(ctx, c, auth.Access{Resource: "member", Project: p.Name, Action: "list"}); err != nil {
		return Summary{}, err
	} else if ok {
		sum.Members = map[store.Role]int{}
		for role := range store.RoleNames() {
			if sum.Members[role], err = s.store.CountMembers(ctx, p.ID, store.Filter{Role: role}); err != nil {
				return Summary{}, err
			}
		}
	}
	ok, err := s.may(ctx, c, auth.Access{Resource: "quota", Project: p.Name, Action: "read"})
	if err != nil || !ok {
		return sum, err
	}
	quotas, err := s.withUsage(ctx, []store.Project{p})
	if err != nil {
		return Summary{}, err
	}
	sum.Quota = &quotas[0]
	return sum, nil
}

// Deletable reports why a project that the caller may delete can't be; "" when it can.
func (s *Service) Deletable(ctx context.Context, c Caller, ref Ref) (why string, err error) {
	p, err := s.inProject(ctx, c, ref, "project", "delete", "delete project "+strconv.Quote(ref.Name))
	if err != nil {
		return "", err
	}
	err = s.empty(ctx, p.Name)
	if errs.Is(err, errs.Precondition) {
		return errs.As(err).Public(), nil
	}
	return "", err
}

// Statistics count what the caller may see. All is true for whoever sees everything.
func (s *Service) Statistics(ctx context.Context, c Caller) (st store.Statistics, all bool, err error) {
	if c.Anonymous() {
		return st, false, signIn("see statistics")
	}
	if all, err = s.may(ctx, c, auth.Access{Resource: "project", Action: "list"}); err != nil {
		return st, false, err
	}
	f, possible := store.Filter{}, true
	if !all {
		f, possible = visible(f, c)
	}
	if !possible {
		return st, all, nil
	}
	if st, err = s.store.Statistics(ctx, f); err != nil || all && !narrowed(c, "repository") {
		return st, all, err
	}
	var limit *store.Filter
	if !all {
		limit = &f
	}
	return st, all, s.statisticsSeen(ctx, c, limit, &st)
}
