package project

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// metaPublic is the word for what is the project's own flag.
const metaPublic = "public"

// metaRetention names the project's retention policy: what makes that policy sets it, and no client.
const metaRetention = "retention_id"

// metaRule says what the value of a word may be.
type metaRule struct {
	fits func(string) bool
	hint string
}

// metaRules are the words that a client can tell a project: Harbor's, and those about pulls that it has none for.
func metaRules() map[string]metaRule {
	truth := metaRule{func(v string) bool { return v == "true" || v == "false" }, `write "true" or "false"`}
	number := metaRule{func(v string) bool {
		n, err := strconv.ParseInt(v, 10, 32)
		return err == nil && n >= -1
	}, "write a number from -1, which is none"}
	severities := []string{"none", "negligible", "unknown", "low", "medium", "high", "critical"}
	text := metaRule{func(v string) bool { return len(v) <= 255 }, "write at most 255 characters"}
	rules := map[string]metaRule{
		metaPublic: truth, metaNotation: truth, metaCosign: truth, "prevent_vul": truth,
		"auto_scan": truth, "auto_sbom_generation": truth, "reuse_sys_cve_allowlist": truth,
		"severity":       {func(v string) bool { return slices.Contains(severities, v) }, "write one of " + strings.Join(severities, ", ")},
		"proxy_speed_kb": number, "max_upstream_conn": number, "proxy_cache_local_on_not_found": truth, "proxy_referrer_api": truth,
		"proxy_cache_filter_pattern": text, "proxy_cache_filter_kind": text,
	}
	maps.Copy(rules, pullMetaRules())
	return rules
}

// CheckMetadata refuses words that a project can't be told, and values that they can't have.
func CheckMetadata(values map[string]string) error {
	rules := metaRules()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		rule, ok := rules[name]
		switch {
		case name == metaRetention:
			return errs.New(errs.Invalid, "%s is set with the project's retention policy", name).WithHint("make one by POST /api/v2.0/retentions")
		case !ok:
			return errs.New(errs.Invalid, "a project has no metadata %s", clip(name)).
				WithHint("there are %s", strings.Join(slices.Sorted(maps.Keys(rules)), ", "))
		case !rule.fits(values[name]):
			return errs.New(errs.Invalid, "the metadata %s can't be %s", name, clip(values[name])).WithHint("%s", rule.hint)
		}
	}
	return nil
}

// tell changes what a project is told. public is a flag and not kept as a word.
func tell(p *store.Project, values map[string]string) {
	for name, value := range values {
		if name == metaPublic {
			p.Public = value == "true"
		} else {
			p.Metadata = p.Metadata.With(name, value)
		}
	}
}

// MetadataOf returns all that a project is told.
func MetadataOf(p store.Project) map[string]string {
	values := p.Metadata.Map()
	values[metaPublic] = strconv.FormatBool(p.Public)
	return values
}

// Metadata returns what a project is told: one word, or with name "" all. NotFound: it is not told that.
func (s *Service) Metadata(ctx context.Context, c Caller, ref Ref, name string) (map[string]string, error) {
	p, err := s.inProject(ctx, c, ref, "metadata", "read", "see the metadata of the project")
	if err != nil {
		return nil, err
	}
	values := MetadataOf(p)
	if name == "" {
		return values, nil
	}
	value, ok := values[name]
	if !ok {
		return nil, noMetadata(p, name)
	}
	return map[string]string{name: value}, nil
}

func noMetadata(p store.Project, name string) error {
	return errs.New(errs.NotFound, "project %q has no metadata %s", p.Name, clip(name)).WithHint("add it by POST")
}

// AddMetadata tells a project something that it was not told. Invalid: there is no such word, or it can't have the value.
// Conflict: it was told.
func (s *Service) AddMetadata(ctx context.Context, c Caller, ref Ref, values map[string]string) error {
	return s.onMetadata(ctx, c, ref, "create", values, func(p *store.Project) error {
		known := MetadataOf(*p)
		for name := range values {
			if _, told := known[name]; told {
				return errs.New(errs.Conflict, "project %q has the metadata %s already", p.Name, name).WithHint("change it by PUT")
			}
		}
		tell(p, values)
		return nil
	})
}

// SetMetadata tells a project something else. NotFound: it was not told anything of that name.
func (s *Service) SetMetadata(ctx context.Context, c Caller, ref Ref, name, value string) error {
	return s.onMetadata(ctx, c, ref, "update", map[string]string{name: value}, func(p *store.Project) error {
		if _, told := MetadataOf(*p)[name]; !told {
			return noMetadata(*p, name)
		}
		tell(p, map[string]string{name: value})
		return nil
	})
}

// DropMetadata takes a word back. NotFound: the project was not told.
func (s *Service) DropMetadata(ctx context.Context, c Caller, ref Ref, name string) error {
	return s.onProject(ctx, c, ref, func(p store.Project) deed {
		return metadataDeed(p, "delete", name, func(context.Context) error {
			if name == metaPublic || name == metaRetention {
				return errs.New(errs.Invalid, "the metadata %s can't be removed", name).WithHint("set it to another value")
			}
			if _, told := p.Metadata.Map()[name]; !told {
				return noMetadata(p, name)
			}
			return nil
		}, func(ctx context.Context) error {
			_, err := s.store.UpdateProject(ctx, p.ID, func(p *store.Project) error {
				values := p.Metadata.Map()
				delete(values, name)
				p.Metadata = store.NewMetadata(values)
				return nil
			})
			return err
		})
	})
}

func (s *Service) onMetadata(ctx context.Context, c Caller, ref Ref, action string, values map[string]string, change func(*store.Project) error) error {
	names := strings.Join(slices.Sorted(maps.Keys(values)), ",")
	return s.onProject(ctx, c, ref, func(p store.Project) deed {
		return metadataDeed(p, action, names, func(context.Context) error {
			if len(values) == 0 {
				return errs.New(errs.Invalid, "there is no metadata in the body").WithHint(`send {"severity":"high"}, for one`)
			}
			if err := CheckMetadata(values); err != nil {
				return err
			}
			trial := p
			return change(&trial)
		}, func(ctx context.Context) error {
			_, err := s.store.UpdateProject(ctx, p.ID, change)
			return err
		})
	})
}

func metadataDeed(p store.Project, action, names string, check, do func(context.Context) error) deed {
	return deed{
		operation: "metadata." + action, resource: "project:" + p.Name + "/metadata:" + clipped(names),
		what:   "change the metadata of project " + strconv.Quote(p.Name),
		access: auth.Access{Resource: "metadata", Project: p.Name, Action: action}, check: check, do: do,
	}
}
