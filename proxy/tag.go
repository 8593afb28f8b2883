package proxy

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// actionOverwrite is what it takes to push to a tag that is there already. No registry asks for it and no token holds it:
// the door asks the policy.
const actionOverwrite = "overwrite"

// tag returns the tag that the request is about; "" for none.
func (q Request) tag() string {
	if q.Kind != KindManifest || validDigest(q.Reference) {
		return ""
	}
	return q.Reference
}

// tagRuled returns the tag whose rules the request is held to; "" for none. Who deletes a manifest by its digest deletes
// every tag that stands for it.
func (q Request) tagRuled() string {
	if q.Kind == KindManifest && q.Method == http.MethodDelete && q.tag() == "" {
		return auth.EveryTag
	}
	return q.tag()
}

// admitTag holds a request for a manifest by its tag to the rules about tags, which a token can't say.
func (g *Gate) admitTag(ctx context.Context, v *visit, sub auth.Subject) error {
	tag := v.tagRuled()
	if tag == "" {
		return nil
	}
	for _, action := range actions(v.Method) {
		ruling, err := g.mayTag(ctx, v, sub, tag, string(action))
		if err != nil {
			return err
		}
		if !ruling.Allowed {
			denial := errs.New(errs.Denied, "you may not %s", tagged(action, tag, v.Repository)).
				WithHint("the policy has rules about tags: ask an administrator of the project")
			return g.deny(ctx, v, sub, ruling.Reason, denial, v.Access())
		}
	}
	return nil
}

// tagged says for people what would be done to a tag, or to all of them.
func tagged(action auth.Action, tag, repository string) string {
	if tag == auth.EveryTag {
		return fmt.Sprintf("delete from repository %q by digest, which takes all tags of it along", repository)
	}
	verb := string(action)
	if action == auth.ActionPush {
		verb = phrase(action)
	}
	return fmt.Sprintf("%s tag %q of repository %q", verb, tag, repository)
}

// admitOverwrite lets a push to a tag that is there already through where the policy allows it. The same content again is
// no change. digest is that of what is pushed, "" where that is not known.
func (g *Gate) admitOverwrite(ctx context.Context, v *visit, sub auth.Subject, digest string) error {
	if v.tag() == "" {
		return nil
	}
	ruling, err := g.mayTag(ctx, v, sub, v.tag(), actionOverwrite)
	if err != nil || ruling.Allowed {
		return err
	}
	found, err := v.to.Upstream.TagDigest(ctx, v.Repository, v.tag())
	if err != nil || found == "" || found == digest {
		return err
	}
	denial := errs.New(errs.Denied, "tag %q of repository %q is there already, and you may not overwrite it", v.tag(), v.Repository).
		WithHint("push to a new tag, or ask an administrator of the project")
	return g.deny(ctx, v, sub, ruling.Reason, denial, v.Access())
}

func (g *Gate) mayTag(ctx context.Context, v *visit, sub auth.Subject, tag, action string) (auth.Ruling, error) {
	project, _ := auth.Project(v.Repository)
	return g.Decider.Decide(ctx, sub, auth.Access{
		Resource: string(auth.TypeRepository), Project: project, Repository: v.Repository, Tag: tag, Action: action,
	})
}

// deny records a refusal and returns it, in the form that the method can carry.
func (g *Gate) deny(ctx context.Context, v *visit, sub auth.Subject, rules string, denial *errs.Error, want auth.Scope) error {
	if err := g.recordRefusal(ctx, v, sub, want, rules, denial); err != nil {
		return err
	}
	if v.Method == http.MethodHead {
		return unseen(v, denial)
	}
	return denial
}
