package proxy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Member is one of the registries behind one gate.
type Member struct {
	Name     string // "" for the default one
	Upstream Upstream
	Projects []string    // what is in these projects lives there: names, or patterns of [path.Match]
	Hosts    []string    // under these names clients read from it, whatever the project
	Minter   auth.Minter // makes tokens for it; nil where none are needed
	OwnAud   bool        // its tokens are for a service of its own: it gets the Minter's in place of the client's
}

// member is a Member with the ways into it.
type member struct {
	Member
	inside *Inside
	stored Straight // nil where the upstream is none
}

func newMember(m Member) *member {
	stored, _ := m.Upstream.(Straight)
	return &member{Member: m, inside: NewInside(m.Upstream), stored: stored}
}

// Several is some registries that clients see as one. What is in a project lives in one of them, its home: the one that names the
// project, then the first with a pattern for it, then the default. It implements [Upstream]
// (docs/decisions/2026-11-26-upstreams.md).
type Several struct {
	members  []*member
	projects map[string]*member
	patterns []projectPattern
	hosts    map[string]*member
}

type projectPattern struct {
	pattern string
	home    *member
}

// NewSeveral returns the registries as one. The first is the default: its projects do not matter.
func NewSeveral(list ...Member) (*Several, error) {
	s := &Several{projects: map[string]*member{}, hosts: map[string]*member{}}
	if len(list) == 0 {
		return nil, errs.New(errs.Invalid, "there is no registry").WithHint("name one")
	}
	for _, m := range list {
		one := newMember(m)
		s.members = append(s.members, one)
		for _, p := range m.Projects {
			if err := s.addProject(p, one); err != nil {
				return nil, err
			}
		}
		for _, h := range m.Hosts {
			key := strings.ToLower(h)
			if s.hosts[key] != nil {
				return nil, errs.New(errs.Invalid, "host %q leads to two registries", h).WithHint("leave it away from one of them")
			}
			s.hosts[key] = one
		}
	}
	return s, nil
}

func (s *Several) addProject(p string, home *member) error {
	if _, err := path.Match(p, ""); err != nil {
		return errs.New(errs.Invalid, "%q is no pattern of projects", p).WithHint("write it like team or team-*").Because(err)
	}
	if strings.ContainsAny(p, `*?[\`) {
		s.patterns = append(s.patterns, projectPattern{p, home})
		return nil
	}
	if s.projects[p] != nil {
		return errs.New(errs.Invalid, "project %q is in two registries", p).WithHint("leave it away from one of them")
	}
	s.projects[p] = home
	return nil
}

// oneOf returns one registry for all.
func oneOf(up Upstream) *Several {
	return &Several{members: []*member{newMember(Member{Upstream: up})}}
}

// home returns where what is in the project of the repository lives.
func (s *Several) home(repository string) *member {
	if len(s.members) == 1 {
		return s.members[0]
	}
	project, _, _ := strings.Cut(repository, "/")
	if m := s.projects[project]; m != nil {
		return m
	}
	for _, p := range s.patterns {
		if ok, _ := path.Match(p.pattern, project); ok { // the pattern was tried
			return p.home
		}
	}
	return s.members[0]
}

// readable returns the registries that members of the project can read: its home, and each that a host name leads to, whatever
// it has under the name.
func (s *Several) readable(project string) []Upstream {
	home := s.home(project)
	all := []Upstream{home.Upstream}
	for _, m := range s.members {
		if m != home && len(m.Hosts) > 0 {
			all = append(all, m.Upstream)
		}
	}
	return all
}

// ofHost returns the registry that a host name leads to; nil for none. A name without a port is that host on any port.
func (s *Several) ofHost(host string) *member {
	if len(s.hosts) == 0 {
		return nil
	}
	host = strings.ToLower(host)
	if m := s.hosts[host]; m != nil {
		return m
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		return s.hosts[name]
	}
	return nil
}

// destination is where a request goes.
type destination struct {
	*member
	away   bool // it reads from a registry that is not the project's home
	strays bool // it would write under a host name that leads elsewhere
}

// decide says which registry a request goes to. What is read comes from the registry that the host name leads to, if it leads
// to one; everything else goes to the project's home.
func (s *Several) decide(host string, q Request) destination {
	home, named := s.home(q.Repository), s.ofHost(host)
	switch {
	case q.Repository == "" && named != nil:
		return destination{member: named}
	case named == nil || named == home:
		return destination{member: home}
	case q.reads():
		return destination{member: named, away: true}
	}
	return destination{member: home, strays: true}
}

// reads reports whether the request is for something that can be in several registries. An upload is where it was begun.
func (q Request) reads() bool {
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		return false
	}
	return q.Kind != KindUpload && q.Kind != KindUploads
}

// errStrays tells who may write that it can't be done under this name.
func (d destination) errStrays(repository string) error {
	return errs.New(errs.Denied, "repository %q can be read under this host name, and not written: what it has lives in another registry", repository).
		WithHint("use the main host name of this server")
}

// TakesTokens implements [Upstream].
func (s *Several) TakesTokens() bool {
	for _, m := range s.members {
		if m.Upstream.TakesTokens() {
			return true
		}
	}
	return false
}

// ServeHTTP implements [Upstream]: the project's home answers.
func (s *Several) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, _ := parsePath(r.URL.Path) // what is no path of a repository, the default may refuse
	s.home(q.Repository).Upstream.ServeHTTP(w, r)
}

// CatalogPage implements [Catalog]: registry by registry, each in its own order, and of each what lives there. A name tells
// where to go on, because it has one home.
func (s *Several) CatalogPage(ctx context.Context, last string, n int) ([]string, bool, error) {
	if len(s.members) == 1 {
		return s.members[0].Upstream.CatalogPage(ctx, last, n)
	}
	at := 0
	if last != "" {
		at = s.index(s.home(last))
	}
	for {
		m := s.members[at]
		names, more, err := m.Upstream.CatalogPage(ctx, last, n)
		if err != nil {
			return nil, false, err
		}
		end := ""
		if len(names) > 0 {
			end = names[len(names)-1]
		}
		own := names[:0:0]
		for _, name := range names {
			if s.home(name) == m {
				own = append(own, name)
			}
		}
		switch {
		case len(own) > 0:
			return own, true, nil // the page after the last may be empty
		case more && end != "":
			last = end
		case at+1 == len(s.members):
			return nil, false, nil
		default:
			at, last = at+1, ""
		}
	}
}

func (s *Several) index(of *member) int {
	for i, m := range s.members {
		if m == of {
			return i
		}
	}
	return 0
}

// HasTags implements [Catalog].
func (s *Several) HasTags(ctx context.Context, repository string) (bool, error) {
	return s.home(repository).Upstream.HasTags(ctx, repository)
}

// TagDigest implements [Catalog].
func (s *Several) TagDigest(ctx context.Context, repository, tag string) (string, error) {
	return s.home(repository).Upstream.TagDigest(ctx, repository, tag)
}

// DropRepositories implements [Catalog].
func (s *Several) DropRepositories(ctx context.Context, project string) error {
	return s.home(project).Upstream.DropRepositories(ctx, project)
}

// RenameRepositories implements [Catalog]. From one registry to another one nothing is moved.
func (s *Several) RenameRepositories(ctx context.Context, from, to string) error {
	home, next := s.home(from), s.home(to)
	if home == next {
		return home.Upstream.RenameRepositories(ctx, from, to)
	}
	some, err := anyOf(ctx, home.Upstream, from, func(context.Context, string) (bool, error) { return true, nil })
	if err != nil || !some {
		return err
	}
	return errs.New(errs.Unsupported, "project %q lives in another registry than %q would, and sealock moves no images between registries", from, to).
		WithHint("choose a name that the settings give the same registry, or add %q to its projects in sealock.yaml first", to)
}

// Digests returns the digests of all manifests of a repository, where its home tells.
func (s *Several) Digests(ctx context.Context, repository string) ([]string, error) {
	return s.home(repository).inside.Digests(ctx, repository)
}

// sendOwn sends a request of sealock's own to the home of what it is about.
func (s *Several) sendOwn(ctx context.Context, o ownRequest, limit int64) (*http.Response, error) {
	home := s.home(o.Repository)
	if o.From != "" && s.home(o.From) != home {
		return nil, errs.New(errs.NotFound, "repository %s is in another registry than %s", o.From, o.Repository).WithHint("push it")
	}
	return home.inside.send(ctx, o, limit)
}

// partMount makes the mount of a blob from another registry a plain upload: there it can't be found. The client then sends
// the bytes.
func (g *Gate) partMount(v *visit) {
	if v.From != "" && g.registries.home(v.From) != v.to.member {
		v.Mount, v.From = "", ""
	}
}

// Named lists the registries with their names, the default first.
func (s *Several) Named() []Member {
	list := make([]Member, len(s.members))
	for i, m := range s.members {
		list[i] = m.Member
	}
	return list
}

// mint makes a token for the registry where the client's would not do: one that has ended and whose upload goes on, one for
// another name of the project, and any where the registry has a service of its own.
func (g *Gate) mint(ctx context.Context, v *visit, out *http.Request) error {
	if !v.to.Upstream.TakesTokens() || !v.late && !v.to.OwnAud && (!v.moved || v.to.Minter == nil) {
		return nil
	}
	minter := v.to.Minter
	if minter == nil {
		minter = g.Passes.Minter
	}
	token, err := minter.Mint(ctx, v.Access())
	if err != nil {
		return fmt.Errorf("minting a token in place of the client's: %w", err)
	}
	out.Header.Set("Authorization", "Bearer "+token)
	return nil
}
