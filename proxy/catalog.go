package proxy

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Bounds of one look through the catalog. A page is as large as a stock registry gives by default; a question to the
// policy is as large as a token request may be.
const (
	defaultEntries = 100
	maxEntries     = 1000
	pageSize       = 1000
	maxPages       = 100
	batchSize      = auth.MaxResources
)

// serveCatalog answers /v2/_catalog with what the subject may pull. Any valid token will do, because the answer holds
// nothing that the subject could not find out by asking for each.
func (g *Gate) serveCatalog(ctx context.Context, v *visit) error {
	query := v.r.URL.Query()
	n, err := entries(query)
	if err != nil {
		return err
	}
	sub, err := g.subject(ctx, v)
	if err != nil {
		return err
	}
	names, more, err := g.visible(ctx, sub, search{in: g.catalogOf(v), last: query.Get("last"), limit: n})
	if err != nil {
		return err
	}
	body, err := json.Marshal(struct {
		Repositories []string `json:"repositories"`
	}{names})
	if err != nil {
		return err
	}
	if more {
		next := url.Values{"n": {strconv.Itoa(n)}, "last": {names[len(names)-1]}}
		v.w.Header().Set("Link", "</v2/_catalog?"+next.Encode()+`>; rel="next"`)
	}
	v.answer("application/json", append(body, '\n'))
	return nil
}

// entries reads n. Above the maximum is an error and not a shorter page, as in stock registries.
func entries(query url.Values) (int, error) {
	s := query.Get("n")
	if s == "" {
		return defaultEntries, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxEntries {
		return 0, errs.New(errs.Invalid, "n=%q is not a number of entries", clip(s)).
			WithHint("ask for 1 to %d and follow the Link header for more", maxEntries).WithCode("PAGINATION_NUMBER_INVALID")
	}
	return n, nil
}

// Repositories returns up to limit names of repositories that the subject may pull and whose name contains the text,
// in the upstream's order, and whether there are more.
func (g *Gate) Repositories(ctx context.Context, sub auth.Subject, contains string, limit int) ([]string, bool, error) {
	return g.visible(ctx, sub, search{in: g.registries, contains: contains, limit: limit})
}

// HasContent reports whether a repository of the project has a tag, whoever may see it.
func (g *Gate) HasContent(ctx context.Context, project string) (bool, error) {
	return anyOf(ctx, g.registries.home(project).Upstream, project, g.registries.HasTags)
}

// HasRepositories reports whether a registry from which the project can be read knows a repository of it, be it empty.
func (g *Gate) HasRepositories(ctx context.Context, project string) (bool, error) {
	for _, in := range g.registries.readable(project) {
		found, err := anyOf(ctx, in, project, func(context.Context, string) (bool, error) { return true, nil })
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// DropRepositories forgets the repositories of a project, where the registry can.
func (g *Gate) DropRepositories(ctx context.Context, project string) error {
	return g.registries.DropRepositories(ctx, project)
}

// RenameRepositories makes the repositories of a project those of another one, where the registry can.
func (g *Gate) RenameRepositories(ctx context.Context, from, to string) error {
	return g.registries.RenameRepositories(ctx, from, to)
}

// anyOf reports whether the predicate holds for a repository of the project.
func anyOf(ctx context.Context, in Catalog, project string, is func(context.Context, string) (bool, error)) (bool, error) {
	last := project
	for {
		names, more, err := in.CatalogPage(ctx, last, pageSize)
		if err != nil {
			return false, err
		}
		for _, name := range names {
			if owner, ok := auth.Project(name); !ok || owner != project {
				continue
			}
			if yes, err := is(ctx, name); yes || err != nil {
				return yes, err
			}
		}
		// Registries list in the order of folders or of bytes; '0' follows '/' in both.
		if !more || len(names) == 0 || names[len(names)-1] >= project+"0" {
			return false, nil
		}
		last = names[len(names)-1]
	}
}

// catalogOf returns the catalog of the registry that the host name leads to, or of all.
func (g *Gate) catalogOf(v *visit) Catalog {
	if m := g.registries.ofHost(v.origin.Host); m != nil {
		return m.Upstream
	}
	return g.registries
}

// search says which repositories are looked for.
type search struct {
	in       Catalog
	last     string
	contains string
	limit    int
}

// visible pages through the upstream's catalog until it has limit names that the subject may pull, and one more to know
// whether there are more. The number of pages is bounded; a client then goes on after the last name it was shown,
// since a name that it was not shown may not stand in a Link.
func (g *Gate) visible(ctx context.Context, sub auth.Subject, s search) (found []string, more bool, err error) {
	found = []string{}
	last := s.last
	for range maxPages {
		names, more, err := s.in.CatalogPage(ctx, last, pageSize)
		if err != nil {
			return nil, false, err
		}
		allowed, err := g.pullable(ctx, sub, names, s, s.limit+1-len(found))
		if err != nil {
			return nil, false, err
		}
		if found = append(found, allowed...); len(found) > s.limit {
			return found[:s.limit], true, nil
		}
		if !more || len(names) == 0 {
			return found, false, nil
		}
		last = names[len(names)-1]
	}
	if len(found) == 0 {
		return nil, false, errs.New(errs.Unavailable, "the registry has more repositories than one request may look through").
			WithHint("ask for one repository's tags instead")
	}
	return found, true, nil
}

// pullable returns the first limit of the names that match and that the subject may pull, asking the policy in batches.
func (g *Gate) pullable(ctx context.Context, sub auth.Subject, names []string, s search, limit int) ([]string, error) {
	var found []string
	for len(names) > 0 && len(found) < limit {
		var scope auth.Scope
		scope, names = batch(names, s.contains)
		if len(scope) == 0 {
			continue
		}
		d, err := g.Authorizer.Authorize(ctx, sub, scope)
		if err != nil {
			return nil, err
		}
		found = append(found, granted(scope, d.Granted)...)
	}
	return found[:min(limit, len(found))], nil
}

// batch takes names for one question to the policy. Names that the grammar of scopes has no room for are skipped.
func batch(names []string, contains string) (scope auth.Scope, rest []string) {
	for i, name := range names {
		if len(scope) == batchSize {
			return scope, names[i:]
		}
		if auth.ValidRepository(name) && strings.Contains(name, contains) {
			scope = append(scope, repositoryAccess(name, auth.ActionPull))
		}
	}
	return scope, nil
}

// granted returns the names of asked that are granted, in the order of asked. The policy answers in any order.
func granted(asked, answer auth.Scope) []string {
	may := make(map[string]bool, len(answer))
	for _, r := range answer {
		may[r.Name] = r.Type == auth.TypeRepository && r.Allows(auth.ActionPull)
	}
	var names []string
	for _, r := range asked {
		if may[r.Name] {
			names = append(names, r.Name)
		}
	}
	return names
}
