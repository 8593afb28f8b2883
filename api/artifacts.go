package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/sealock/sealock/api/gen"
	"github.com/sealock/sealock/project"
	"github.com/sealock/sealock/store"
)

// told is what an answer tells of artifacts besides what they are.
type told struct{ tags, labels, immutable, accessories bool }

func tell(tag, label, immutable, accessory *bool) told {
	return told{tag == nil || *tag, value(label), value(immutable), value(accessory)}
}

func artifactRef(of, name, reference string) project.ArtifactRef {
	return project.ArtifactRef{RepositoryRef: repositoryRef(of, name), Reference: reference}
}

func (h *handlers) ListArtifacts(c echo.Context, of gen.NamedProject, name gen.RepositoryName, params gen.ListArtifactsParams) error {
	asIs := func(a gen.Artifact) gen.Artifact { return a }
	return list(c, params.Page, params.PageSize, asIs, func(ctx context.Context, who Caller, w window) (l project.List[gen.Artifact], err error) {
		q, err := artifactQuery(params.Q, params.Sort, w)
		if err != nil {
			return l, err
		}
		q.After = value(params.After)
		found, err := h.Service.ListArtifacts(ctx, who, repositoryRef(of, name), q)
		if err != nil {
			return l, err
		}
		l.Total, l.Last = found.Total, found.Last
		l.Items, err = h.artifactsOf(ctx, tell(params.WithTag, params.WithLabel, params.WithImmutableStatus, params.WithAccessory), found.Items)
		return l, err
	})
}

func (h *handlers) ListProjectArtifacts(c echo.Context, ref gen.ProjectRef, params gen.ListProjectArtifactsParams) error {
	asIs := func(a gen.Artifact) gen.Artifact { return a }
	return list(c, params.Page, params.PageSize, asIs, func(ctx context.Context, who Caller, w window) (l project.List[gen.Artifact], err error) {
		q, err := artifactQuery(params.Q, params.Sort, w)
		if err != nil {
			return l, err
		}
		q.After = value(params.After)
		q.Latest = value(params.LatestInRepository)
		found, err := h.Service.ListProjectArtifacts(ctx, who, projectRef(ref, params.XIsResourceName), q)
		if err != nil {
			return l, err
		}
		l.Total, l.Last = found.Total, found.Last
		l.Items, err = h.artifactsOf(ctx, tell(params.WithTag, params.WithLabel, params.WithImmutableStatus, params.WithAccessory), found.Items)
		return l, err
	})
}

func artifactQuery(query, order *string, w window) (q project.ArtifactQuery, err error) {
	q.Paging, err = paging(query, orderOr(order, "-push_time"), fields{
		"id": numberField("id"), "tags": {name: "tag", kind: store.Text, many: true}, "labels": {name: "label", kind: store.Number, many: true},
		"digest": textField("digest"), "type": textField("kind"), "media_type": textField("media_type"), "manifest_media_type": textField("manifest_media_type"), "artifact_type": textField("artifact_type"),
		"push_time": timeField("push_time"), "pull_time": timeField("pull_time"), "size": numberField("size"),
	}, map[string]string{"id": "id", "push_time": "push_time", "pull_time": "pull_time", "size": "size"}, w)
	if err != nil {
		return q, err
	}
	return byLabels(byTags(q)), nil
}

// byTags takes out the tag that is looked up, and the words that say whether there is any.
func byTags(q project.ArtifactQuery) project.ArtifactQuery {
	tags, others := taken(q.Where, "tag")
	if len(tags) != 1 {
		return q
	}
	one, ok := tags[0].One()
	tag, _ := one.(string)
	switch {
	case !ok:
		return q
	case tag == "*" || tag == "nil":
		q.Tagged = pointer(tag == "*")
	default:
		q.Tag = tag
	}
	q.Where = others
	return q
}

// byLabels takes out the labels that artifacts are to have all of.
func byLabels(q project.ArtifactQuery) project.ArtifactQuery {
	labels, others := taken(q.Where, "label")
	for _, c := range labels {
		one, ok := c.One()
		if !ok {
			return q
		}
		id, _ := one.(int64)
		q.Labels = append(q.Labels, id)
	}
	q.Where = others
	return q
}

func (h *handlers) GetArtifact(c echo.Context, of gen.NamedProject, name gen.RepositoryName, reference gen.ArtifactRef, params gen.GetArtifactParams) error {
	return reply(c, func(ctx context.Context, who Caller) (out gen.Artifact, err error) {
		a, err := h.Service.Artifact(ctx, who, artifactRef(of, name, reference))
		if err != nil {
			return out, err
		}
		list, err := h.artifactsOf(ctx, tell(params.WithTag, params.WithLabel, params.WithImmutableStatus, params.WithAccessory), []store.Artifact{a})
		if err != nil {
			return out, err
		}
		return list[0], nil
	})
}

func (h *handlers) DeleteArtifact(c echo.Context, of gen.NamedProject, name gen.RepositoryName, reference gen.ArtifactRef) error {
	return done(c, func(ctx context.Context, who Caller) error {
		return h.Service.DeleteArtifact(ctx, who, artifactRef(of, name, reference))
	})
}

func (h *handlers) CopyArtifact(c echo.Context, of gen.NamedProject, name gen.RepositoryName, params gen.CopyArtifactParams) error {
	r, err := asked(c)
	if err != nil {
		return err
	}
	to := repositoryRef(of, name)
	digest, err := h.Service.CopyArtifact(r.ctx(), r.caller(), to, params.From)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, artifactPath(of+"/"+to.Name, digest))
	return c.NoContent(http.StatusCreated)
}

func artifactPath(repository, digest string) string {
	return repositoryPath(repository) + "/artifacts/" + digest
}

func (h *handlers) ListTags(c echo.Context, of gen.NamedProject, name gen.RepositoryName, reference gen.ArtifactRef, params gen.ListTagsParams) error {
	asIs := func(t gen.Tag) gen.Tag { return t }
	return list(c, params.Page, params.PageSize, asIs, func(ctx context.Context, who Caller, w window) (l project.List[gen.Tag], err error) {
		q, err := tagPaging(params.Q, params.Sort, w)
		if err != nil {
			return l, err
		}
		ref := artifactRef(of, name, reference)
		found, err := h.Service.ListTags(ctx, who, ref, q)
		if err != nil {
			return l, err
		}
		l.Total = found.Total
		l.Items, err = h.tagsOf(ctx, of+"/"+ref.Name, found.Items, value(params.WithImmutableStatus))
		return l, err
	})
}

func tagPaging(query, order *string, w window) (project.Paging, error) {
	return paging(query, orderOr(order, "-push_time"), fields{
		"id": numberField("id"), "name": textField("name"), "push_time": timeField("push_time"), "pull_time": timeField("pull_time"),
	}, map[string]string{"id": "id", "name": "name", "push_time": "push_time", "pull_time": "pull_time"}, w)
}

func (h *handlers) CreateTag(c echo.Context, of gen.NamedProject, name gen.RepositoryName, reference gen.ArtifactRef) error {
	return create(c, func(ctx context.Context, who Caller, body gen.NewTag) (string, error) {
		ref := artifactRef(of, name, reference)
		err := h.Service.AddTag(ctx, who, ref, body.Name)
		return artifactPath(of+"/"+ref.Name, reference) + "/tags/" + url.PathEscape(body.Name), err
	})
}

func (h *handlers) DeleteTag(c echo.Context, of gen.NamedProject, name gen.RepositoryName, reference gen.ArtifactRef, tag gen.TagName) error {
	return done(c, func(ctx context.Context, who Caller) error {
		return h.Service.DeleteTag(ctx, who, artifactRef(of, name, reference), tag)
	})
}

// AddLabel takes the whole label, of which its number counts.
func (h *handlers) AddLabel(c echo.Context, of gen.NamedProject, name gen.RepositoryName, reference gen.ArtifactRef) error {
	return take(c, func(ctx context.Context, who Caller, label gen.Label) error {
		return h.Service.AddLabel(ctx, who, artifactRef(of, name, reference), value(label.ID))
	}, "id")
}

func (h *handlers) RemoveLabel(c echo.Context, of gen.NamedProject, name gen.RepositoryName, reference gen.ArtifactRef, id gen.LabelID) error {
	return done(c, func(ctx context.Context, who Caller) error {
		return h.Service.RemoveLabel(ctx, who, artifactRef(of, name, reference), id)
	})
}

func (h *handlers) ListAccessories(c echo.Context, of gen.NamedProject, name gen.RepositoryName, reference gen.ArtifactRef, params gen.ListAccessoriesParams) error {
	asIs := func(a gen.Accessory) gen.Accessory { return a }
	return list(c, params.Page, params.PageSize, asIs, func(ctx context.Context, who Caller, w window) (l project.List[gen.Accessory], err error) {
		page, err := accessoryPaging(params.Q, params.Sort, w)
		if err != nil {
			return l, err
		}
		found, subject, err := h.Service.ListAccessories(ctx, who, artifactRef(of, name, reference), page)
		l.Total = found.Total
		for _, a := range found.Items {
			l.Items = append(l.Items, accessoryOf(subject, a))
		}
		return l, err
	})
}

func accessoryPaging(query, order *string, w window) (project.Paging, error) {
	return paging(query, order, fields{
		"id": numberField("id"), "digest": textField("digest"), "creation_time": timeField("push_time"), "size": numberField("size"),
	}, map[string]string{"id": "id", "creation_time": "push_time", "size": "size"}, w)
}

func (h *handlers) GetVulnerabilities(c echo.Context, of gen.NamedProject, name gen.RepositoryName, reference gen.ArtifactRef) error {
	return h.GetAddition(c, of, name, reference, "vulnerabilities")
}

func (h *handlers) GetAddition(c echo.Context, of gen.NamedProject, name gen.RepositoryName, reference gen.ArtifactRef, addition gen.Addition) error {
	r, err := asked(c)
	if err != nil {
		return err
	}
	add, err := h.Service.Addition(r.ctx(), r.caller(), artifactRef(of, name, reference), addition)
	if err != nil {
		return err
	}
	// Somebody else's text: a browser that is sent here must not run anything that is in it.
	c.Response().Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	return c.Blob(http.StatusOK, add.ContentType, add.Content)
}

// artifactsOf writes artifacts with what is told of them.
func (h *handlers) artifactsOf(ctx context.Context, with told, artifacts []store.Artifact) ([]gen.Artifact, error) {
	children, err := h.Service.ChildrenOf(ctx, artifacts...)
	if err != nil {
		return nil, err
	}
	var tags map[int64][]store.Tag
	if with.tags {
		if tags, err = h.Service.TagsOf(ctx, artifacts...); err != nil {
			return nil, err
		}
	}
	var labels map[int64][]store.Label
	if with.labels {
		if labels, err = h.Service.LabelsOf(ctx, artifacts...); err != nil {
			return nil, err
		}
	}
	var about map[int64][]store.Artifact
	if with.accessories {
		if about, err = h.Service.AccessoriesOf(ctx, artifacts...); err != nil {
			return nil, err
		}
	}
	out := make([]gen.Artifact, len(artifacts))
	for i, a := range artifacts {
		out[i] = artifactOf(a, children[a.RepositoryID])
		for _, other := range about[a.ID] {
			out[i].Accessories = append(out[i].Accessories, accessoryOf(a, other))
		}
		for _, l := range labels[a.ID] {
			out[i].Labels = append(out[i].Labels, labelOf(l))
		}
		if out[i].Tags, err = h.tagsOf(ctx, a.RepositoryName, tags[a.ID], with.immutable); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func artifactOf(a store.Artifact, children map[string]int64) gen.Artifact {
	out := gen.Artifact{
		ID: a.ID, Type: a.Kind, MediaType: a.ConfigType, ManifestMediaType: a.MediaType, ArtifactType: a.ArtifactType, ProjectID: a.ProjectID,
		RepositoryID: a.RepositoryID, RepositoryName: a.RepositoryName, Digest: a.Digest, Size: a.Size, PushTime: a.PushedAt.UTC(), PullTime: a.PulledAt.UTC(),
		ExtraAttrs: map[string]any{}, Annotations: map[string]string{}, AdditionLinks: map[string]gen.AdditionLink{},
	}
	if out.MediaType == "" {
		out.MediaType = a.MediaType
	}
	_ = json.Unmarshal(a.Extra, &out.ExtraAttrs) // an object, or nothing
	for k, v := range a.Annotations {
		out.Annotations[k] = v
	}
	for _, c := range a.Children {
		r := gen.Reference{ParentID: a.ID, ChildID: children[c.Digest], ChildDigest: c.Digest, Annotations: c.Annotations}
		if c.Platform != nil && json.Unmarshal(c.Platform, &r.Platform) != nil {
			r.Platform = nil // what a client wrote may be anything
		}
		out.References = append(out.References, r)
	}
	for _, name := range project.AdditionsOf(a) {
		out.AdditionLinks[name] = gen.AdditionLink{Href: artifactPath(a.RepositoryName, a.Digest) + "/additions/" + name}
	}
	return out
}

// tagsOf writes tags of one repository; nil is none.
func (h *handlers) tagsOf(ctx context.Context, repository string, tags []store.Tag, told bool) (out []gen.Tag, err error) {
	immutable := func(string) bool { return false }
	if told && len(tags) > 0 {
		if immutable, err = h.Service.ImmutableIn(ctx, repository); err != nil {
			return nil, err
		}
	}
	for _, t := range tags {
		out = append(out, gen.Tag{
			ID: t.ID, RepositoryID: t.RepositoryID, ArtifactID: t.ArtifactID, Name: t.Name, PushTime: t.PushedAt.UTC(), PullTime: t.PulledAt.UTC(),
			Immutable: immutable(t.Name),
		})
	}
	return out, nil
}

func accessoryOf(subject, a store.Artifact) gen.Accessory {
	kind := "subject.accessory"
	switch a.Kind {
	case "COSIGN":
		kind = "signature.cosign"
	case "NOTATION":
		kind = "signature.notation"
	case "SBOM":
		kind = "sbom.harbor"
	}
	return gen.Accessory{
		ID: a.ID, ArtifactID: a.ID, SubjectArtifactID: subject.ID, SubjectArtifactDigest: subject.Digest, SubjectArtifactRepo: subject.RepositoryName,
		Size: a.Size, Digest: a.Digest, Type: kind, CreationTime: a.PushedAt.UTC(),
	}
}
