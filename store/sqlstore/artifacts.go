package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type artifactRow struct {
	bun.BaseModel `bun:"table:artifacts,alias:t"`

	ID           int64  `bun:"id,pk,autoincrement"`
	ProjectID    int64  `bun:"project_id"`
	RepositoryID int64  `bun:"repository_id"`
	Repository   string `bun:"repository,scanonly"`
	Digest       string `bun:"digest"`
	MediaType    string `bun:"media_type"`
	ArtifactType string `bun:"artifact_type"`
	ConfigType   string `bun:"config_type"`
	Kind         string `bun:"kind"`
	Size         int64  `bun:"size"`
	Subject      string `bun:"subject"`
	Referrer     int64  `bun:"referrer"` // 1 where the manifest names the subject
	Annotations  string `bun:"annotations"`
	Extra        string `bun:"extra"`
	Top          bool   `bun:"top"`
	PushedAt     int64  `bun:"pushed_at"`
	PulledAt     int64  `bun:"pulled_at"`
}

// childRow is a manifest in an index. That it is in the registry is not said: an index may name what is elsewhere.
type childRow struct {
	bun.BaseModel `bun:"table:artifact_children,alias:t"`

	ID           int64  `bun:"id,pk,autoincrement"`
	ParentID     int64  `bun:"parent_id"`
	RepositoryID int64  `bun:"repository_id"`
	Position     int    `bun:"position"`
	Digest       string `bun:"digest"`
	Platform     string `bun:"platform"`
	Annotations  string `bun:"annotations"`
}

type tagRow struct {
	bun.BaseModel `bun:"table:tags,alias:t"`

	ID           int64  `bun:"id,pk,autoincrement"`
	RepositoryID int64  `bun:"repository_id"`
	ArtifactID   int64  `bun:"artifact_id"`
	Name         string `bun:"name"`
	PushedAt     int64  `bun:"pushed_at"`
	PulledAt     int64  `bun:"pulled_at"`
}

func (r tagRow) record() store.Tag {
	return store.Tag{
		ID: r.ID, RepositoryID: r.RepositoryID, ArtifactID: r.ArtifactID, Name: r.Name, PushedAt: fromMicros(r.PushedAt), PulledAt: optionalTime(r.PulledAt),
	}
}

func (r artifactRow) record() store.Artifact {
	return store.Artifact{
		ID: r.ID, ProjectID: r.ProjectID, RepositoryID: r.RepositoryID, RepositoryName: r.Repository, Digest: r.Digest, MediaType: r.MediaType,
		ArtifactType: r.ArtifactType, ConfigType: r.ConfigType, Kind: r.Kind, Size: r.Size, Subject: r.Subject, Referrer: r.Referrer == 1,
		Annotations: readMap(r.Annotations), Extra: readRaw(r.Extra), PushedAt: fromMicros(r.PushedAt), PulledAt: optionalTime(r.PulledAt),
	}
}

// JSON in columns: "" is nothing.
func writeMap(m map[string]string) string {
	if len(m) == 0 {
		return ""
	}
	text, err := json.Marshal(m)
	if err != nil {
		return "" // no map of strings fails
	}
	return string(text)
}

func readMap(text string) (m map[string]string) {
	if text == "" || json.Unmarshal([]byte(text), &m) != nil {
		return nil // what was written is read back
	}
	return m
}

func readRaw(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

func withRepository(q *bun.SelectQuery) *bun.SelectQuery {
	return q.ColumnExpr("t.*").ColumnExpr("r.name AS repository").Join("JOIN repositories AS r ON r.id = t.repository_id")
}

func artifactListing(f store.IndexFilter) listing[artifactRow, store.Artifact] {
	return listing[artifactRow, store.Artifact]{
		table:   "artifacts",
		project: onlyProject(f),
		id:      column[artifactRow]{"t.id", func(r artifactRow) any { return r.ID }},
		sorts: map[string]column[artifactRow]{
			"id":        {"t.id", func(r artifactRow) any { return r.ID }},
			"push_time": {"t.pushed_at", func(r artifactRow) any { return r.PushedAt }},
			"pull_time": {"t.pulled_at", func(r artifactRow) any { return r.PulledAt }},
			"size":      {"t.size", func(r artifactRow) any { return r.Size }},
		},
		fields:  artifactFields(f),
		filter:  func(q *bun.SelectQuery, _ store.Filter) *bun.SelectQuery { return filterArtifacts(q, f) },
		columns: withRepository,
		record:  artifactRow.record,
	}
}

// artifactFields are what artifacts can be narrowed by. Which of them have a tag, or a label, is read from the indexes of
// those in the repository or the project: the others are not looked at.
func artifactFields(f store.IndexFilter) map[string]narrowing {
	tagged := "SELECT g.artifact_id FROM tags AS g WHERE g.repository_id = t.repository_id AND"
	labelled := "SELECT m.artifact_id FROM artifact_labels AS m WHERE"
	switch {
	case f.Repository != 0:
		tagged = fmt.Sprintf("SELECT g.artifact_id FROM tags AS g WHERE g.repository_id = %d AND", f.Repository)
		labelled += fmt.Sprintf(" m.repository_id = %d AND", f.Repository)
	case len(f.Projects) == 1:
		labelled += fmt.Sprintf(" m.project_id = %d AND", f.Projects[0])
	}
	return map[string]narrowing{
		"id":            {kind: store.Number, sql: "t.id"},
		"tag":           {kind: store.Text, sql: "g.name", of: tagged},
		"label":         {kind: store.Number, sql: "m.label_id", of: labelled},
		"digest":        {kind: store.Text, sql: "t.digest"},
		"kind":          {kind: store.Text, sql: "t.kind"},
		"artifact_type": {kind: store.Text, sql: "t.artifact_type"},
		// of the config, where there is one
		"media_type":          {kind: store.Text, sql: "CASE WHEN t.config_type = '' THEN t.media_type ELSE t.config_type END"},
		"manifest_media_type": {kind: store.Text, sql: "t.media_type"},
		"push_time":           {kind: store.Moment, sql: "t.pushed_at"},
		"pull_time":           {kind: store.Moment, sql: "t.pulled_at", never: true},
		"size":                {kind: store.Number, sql: "t.size"},
	}
}

func filterArtifacts(q *bun.SelectQuery, f store.IndexFilter) *bun.SelectQuery {
	q = inVisible(inProjects(q, f.Projects), f.Visible)
	if f.Repository != 0 {
		q = q.Where("t.repository_id = ?", f.Repository)
	}
	if f.Artifact != 0 {
		q = q.Where("t.id = ?", f.Artifact)
	}
	for _, is := range []struct{ column, value string }{
		{"t.digest", f.Digest}, {"t.subject", f.Subject},
	} {
		if is.value != "" {
			q = q.Where("? = ?", bun.Safe(is.column), is.value)
		}
	}
	if len(f.Digests) > 0 {
		q = q.Where("t.digest IN (?)", bun.List(f.Digests))
	}
	const hasTag = "EXISTS (SELECT 1 FROM tags AS g WHERE g.artifact_id = t.id)"
	switch {
	case f.Tagged != nil && *f.Tagged:
		q = q.Where(hasTag)
	case f.Tagged != nil:
		q = q.Where("NOT " + hasTag)
	}
	if f.Exact != "" {
		q = q.Where("t.id IN (SELECT g.artifact_id FROM tags AS g WHERE g.repository_id = t.repository_id AND g.name = ?)", f.Exact)
	}
	if f.Holds != "" {
		q = q.Where("t.id IN (SELECT c.parent_id FROM artifact_children AS c WHERE c.repository_id = t.repository_id AND c.digest = ?)", f.Holds)
	}
	q = withLabels(q, f)
	if f.Top {
		q = q.Where("t.top = ?", true)
	}
	if f.Latest {
		q = q.Where("t.id = (SELECT a.id FROM artifacts AS a WHERE a.repository_id = t.repository_id AND a.top = ? ORDER BY a.pushed_at DESC, a.id DESC LIMIT 1)", true)
	}
	return q
}

// ListArtifacts lists artifacts. They can be sorted by id, push_time, pull_time and size.
func (s *Store) ListArtifacts(ctx context.Context, f store.IndexFilter) iter.Seq2[store.Artifact, error] {
	if !possible(f) {
		return none[store.Artifact]
	}
	return func(yield func(store.Artifact, error) bool) {
		f, there, err := s.byTag(ctx, f)
		if err != nil || !there {
			if err != nil {
				yield(store.Artifact{}, err)
			}
			return
		}
		var some []store.Artifact
		flush := func() bool {
			err := s.addChildren(ctx, some)
			for _, a := range some {
				if !yield(a, err) || err != nil {
					return false
				}
			}
			some = some[:0]
			return true
		}
		for a, err := range artifactListing(f).all(ctx, s, page(f)) {
			if err != nil {
				yield(a, err)
				return
			}
			if some = append(some, a); len(some) == batchSize && !flush() {
				return
			}
		}
		flush()
	}
}

// addChildren fills in what is in indexes.
func (s *Store) addChildren(ctx context.Context, artifacts []store.Artifact) error {
	at := make(map[int64]int, len(artifacts))
	for i, a := range artifacts {
		at[a.ID] = i
	}
	if len(at) == 0 {
		return nil
	}
	var rows []childRow
	err := s.read.NewSelect().Model(&rows).Where("t.parent_id IN (?)", bun.List(sortedIDs(at))).Order("t.parent_id", "t.position").Scan(ctx)
	for _, r := range rows {
		a := &artifacts[at[r.ParentID]]
		a.Children = append(a.Children, store.Child{Digest: r.Digest, Platform: readRaw(r.Platform), Annotations: readMap(r.Annotations)})
	}
	return s.failed("reading what is in indexes", err)
}

// CountArtifacts counts the artifacts that the filter lets through, whatever its page.
func (s *Store) CountArtifacts(ctx context.Context, f store.IndexFilter) (int, error) {
	if !possible(f) {
		return 0, nil
	}
	// Those of a repository have been counted.
	if plain := (store.IndexFilter{Repository: f.Repository, Top: true}); f.Repository != 0 && f.Projects == nil && same(f, plain) {
		r, err := s.Repository(ctx, f.Repository)
		return r.Artifacts, err
	}
	if same(f, store.IndexFilter{Top: true}) && len(f.Projects) == 1 {
		return s.artifactsOf(ctx, f.Projects[0])
	}
	f, there, err := s.byTag(ctx, f)
	if err != nil || !there {
		return 0, err
	}
	return artifactListing(f).count(ctx, s, store.Filter{Where: f.Where})
}

// artifactsOf adds up what has been counted of the repositories of a project.
func (s *Store) artifactsOf(ctx context.Context, project int64) (int, error) {
	query := func() *bun.SelectQuery {
		return s.read.NewSelect().Table("repositories").ColumnExpr("COALESCE(SUM(artifact_count), 0)").Where("project_id = ?", project)
	}
	n, err := s.counts.get(ctx, s.now(), project, query().String(), func(ctx context.Context) (n int, err error) {
		err = query().Scan(ctx, &n)
		return n, err
	})
	return n, s.failed("counting artifacts", err)
}

// byTag turns the tag that artifacts of a repository are to have into the one artifact that has it, and reports whether
// there is any.
func (s *Store) byTag(ctx context.Context, f store.IndexFilter) (store.IndexFilter, bool, error) {
	if f.Exact == "" || f.Repository == 0 {
		return f, true, nil
	}
	tag, err := s.TagByName(ctx, f.Repository, f.Exact)
	if errs.Is(err, errs.NotFound) {
		return f, false, nil
	}
	f.Exact, f.Artifact = "", tag.ArtifactID
	return f, true, err
}

// same reports whether two filters let the same through, whatever their pages.
func same(a, b store.IndexFilter) bool {
	return a.Visible == nil && len(a.Digests) == 0 && len(a.Labels) == 0 && len(a.Where) == 0 && a.Artifact == b.Artifact && a.Repository == b.Repository && a.Holds == b.Holds && a.Exact == b.Exact && a.Digest == b.Digest && a.Subject == b.Subject &&
		a.Tagged == nil && a.Top == b.Top && a.Latest == b.Latest
}

// Artifact returns the artifact with the id, or NotFound.
func (s *Store) Artifact(ctx context.Context, id int64) (store.Artifact, error) {
	return s.oneArtifact(ctx, id, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("t.id = ?", id) })
}

// ArtifactByDigest returns the artifact of a repository with the digest, or NotFound.
func (s *Store) ArtifactByDigest(ctx context.Context, repositoryID int64, digest string) (store.Artifact, error) {
	return s.oneArtifact(ctx, digest, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("t.repository_id = ? AND t.digest = ?", repositoryID, digest)
	})
}

// ArtifactByTag returns the artifact that a tag of a repository stands for, or NotFound.
func (s *Store) ArtifactByTag(ctx context.Context, repositoryID int64, tag string) (store.Artifact, error) {
	return s.oneArtifact(ctx, tag, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Join("JOIN tags AS g ON g.artifact_id = t.id").Where("g.repository_id = ? AND g.name = ?", repositoryID, tag)
	})
}

func (s *Store) oneArtifact(ctx context.Context, key any, which func(*bun.SelectQuery) *bun.SelectQuery) (store.Artifact, error) {
	if text, ok := key.(string); ok && !storable(text) {
		return store.Artifact{}, notFound("artifact", key)
	}
	var row artifactRow
	if err := which(withRepository(s.read.NewSelect().Model(&row))).Scan(ctx); err != nil {
		return store.Artifact{}, s.found("artifact", key, err)
	}
	one := []store.Artifact{row.record()}
	err := s.addChildren(ctx, one)
	return one[0], err
}

func tagListing(f store.IndexFilter) listing[tagRow, store.Tag] {
	return listing[tagRow, store.Tag]{
		table: "tags",
		id:    column[tagRow]{"t.id", func(r tagRow) any { return r.ID }},
		sorts: map[string]column[tagRow]{
			"id":        {"t.id", func(r tagRow) any { return r.ID }},
			"name":      {"t.name", func(r tagRow) any { return r.Name }},
			"push_time": {"t.pushed_at", func(r tagRow) any { return r.PushedAt }},
			"pull_time": {"t.pulled_at", func(r tagRow) any { return r.PulledAt }},
		},
		fields: map[string]narrowing{
			"id":        {kind: store.Number, sql: "t.id"},
			"name":      {kind: store.Text, sql: "t.name"},
			"push_time": {kind: store.Moment, sql: "t.pushed_at"},
			"pull_time": {kind: store.Moment, sql: "t.pulled_at", never: true},
		},
		filter: func(q *bun.SelectQuery, _ store.Filter) *bun.SelectQuery {
			if f.Repository != 0 {
				q = q.Where("t.repository_id = ?", f.Repository)
			}
			if f.Artifact != 0 {
				q = q.Where("t.artifact_id = ?", f.Artifact)
			}
			if f.Name != "" {
				q = contains(q, "t.name", f.Name)
			}
			if f.Exact != "" {
				q = q.Where("t.name = ?", f.Exact)
			}
			return q
		},
		record: tagRow.record,
	}
}

// ListTags lists tags. They can be sorted by id, name, push_time and pull_time.
func (s *Store) ListTags(ctx context.Context, f store.IndexFilter) iter.Seq2[store.Tag, error] {
	if !possible(f) {
		return none[store.Tag]
	}
	return tagListing(f).all(ctx, s, page(f))
}

// CountTags counts the tags that the filter lets through, whatever its page.
func (s *Store) CountTags(ctx context.Context, f store.IndexFilter) (int, error) {
	if !possible(f) {
		return 0, nil
	}
	return tagListing(f).count(ctx, s, store.Filter{Where: f.Where})
}

// TagByName returns the tag of a repository, or NotFound.
func (s *Store) TagByName(ctx context.Context, repositoryID int64, name string) (store.Tag, error) {
	if !storable(name) {
		return store.Tag{}, notFound("tag", name)
	}
	var row tagRow
	err := s.read.NewSelect().Model(&row).Where("t.repository_id = ? AND t.name = ?", repositoryID, name).Scan(ctx)
	return row.record(), s.found("tag", name, err)
}

// TagsOf returns the tags of artifacts, at most so many of each.
func (s *Store) TagsOf(ctx context.Context, artifactIDs []int64, most int) (map[int64][]store.Tag, error) {
	found := make(map[int64][]store.Tag, len(artifactIDs))
	if len(artifactIDs) == 0 {
		return found, nil
	}
	var rows []tagRow
	ranked := s.read.NewSelect().Model((*tagRow)(nil)).ColumnExpr("t.*").
		ColumnExpr("ROW_NUMBER() OVER (PARTITION BY t.artifact_id ORDER BY t.name) AS place").Where("t.artifact_id IN (?)", bun.List(artifactIDs))
	err := s.read.NewSelect().Model(&rows).ModelTableExpr("(?) AS t", ranked).Column("t.id", "t.repository_id", "t.artifact_id", "t.name", "t.pushed_at", "t.pulled_at").
		Where("t.place <= ?", most).Order("t.artifact_id", "t.place").Scan(ctx)
	for _, r := range rows {
		found[r.ArtifactID] = append(found[r.ArtifactID], r.record())
	}
	return found, s.failed("reading tags", err)
}

func sortedIDs[V any](m map[int64]V) []int64 { return slices.Sorted(maps.Keys(m)) }

// once returns the blobs by digest, each once. What several descriptors say of one blob's size, the largest is.
func once(blobs []store.Blob) []store.Blob {
	sizes := map[string]int64{}
	for _, b := range blobs {
		sizes[b.Digest] = max(sizes[b.Digest], b.Size)
	}
	out := make([]store.Blob, 0, len(sizes))
	for digest, size := range sizes {
		out = append(out, store.Blob{Digest: digest, Size: size})
	}
	slices.SortFunc(out, func(a, b store.Blob) int { return cmp.Compare(a.Digest, b.Digest) }) // so that nobody waits for each other in a ring
	return out
}
