package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// PullRules knows what the rules of projects let nobody pull, whatever their role. Repositories are named in full. What it
// can't tell is an error, and the gate lets nothing through then.
type PullRules interface {
	// Ruled reports whether the project of the repository has any such rule. It is asked with each pull.
	Ruled(ctx context.Context, repository string) (bool, error)
	// Unpullable says which rule keeps a manifest of the repository from being pulled; nil for none. signs: it is pulled to
	// be signed, so that rules that ask for a signature do not count.
	Unpullable(ctx context.Context, repository, digest string, signs bool) (*errs.Error, error)
}

// admitPull notes whether rules of the project are about a pull. Which manifest it is of, only the registry's answer says
// for sure: a tag may be moved just now.
func (g *Gate) admitPull(ctx context.Context, v *visit) (err error) {
	if g.PullRules == nil || v.Kind != KindManifest || v.Method != http.MethodGet {
		return nil
	}
	v.ruled, err = g.PullRules.Ruled(ctx, v.Repository)
	return err
}

// answerer returns what answers the request: the registry, helped with what it can't do, and held to the rules about pulls
// where there are any.
func (g *Gate) answerer(ctx context.Context, v *visit, sub auth.Subject) http.Handler {
	switch {
	case v.Method == http.MethodDelete && v.tag() != "":
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.deleteTag(r.Context(), v, w, r) })
	case !v.ruled:
		return v.to.Upstream
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held := &observedWriter{w: w, fail: func(err error) { g.Errors.WriteRegistry(w, v.r, err) }}
		held.told = func(status int, h http.Header) error { return g.judgePull(ctx, v, sub, status, h.Get(digestHeader)) }
		v.to.Upstream.ServeHTTP(held, r)
	})
}

// judgePull refuses an answer that has a manifest which rules of the project keep back.
func (g *Gate) judgePull(ctx context.Context, v *visit, sub auth.Subject, status int, digest string) error {
	switch {
	case status >= http.StatusBadRequest:
		return nil // there is nothing to keep back
	case validDigest(digest):
	case v.tag() == "":
		digest = v.Reference
	default:
		return errUpstream(errors.New("a manifest came without its digest"))
	}
	signs, err := g.signs(ctx, v, sub)
	if err != nil {
		return err
	}
	denial, err := g.PullRules.Unpullable(ctx, v.Repository, digest, signs)
	if err != nil || denial == nil {
		return err
	}
	return g.deny(ctx, v, sub, "", denial, v.Access())
}

// signs reports whether what is pulled is pulled to be signed: by a client that says that it signs, for somebody who may
// push. It is what Harbor goes by as well.
func (g *Gate) signs(ctx context.Context, v *visit, sub auth.Subject) (bool, error) {
	agent := strings.ToLower(v.r.UserAgent())
	if !strings.HasPrefix(agent, "cosign") && !strings.HasPrefix(agent, "notation") {
		return false, nil
	}
	return g.grants(ctx, sub, auth.Scope{repositoryAccess(v.Repository, auth.ActionPush)})
}
