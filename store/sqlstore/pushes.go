package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/uptrace/bun"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

type artifactBlobRow struct {
	bun.BaseModel `bun:"table:artifact_blobs,alias:t"`

	ID         int64  `bun:"id,pk,autoincrement"`
	ArtifactID int64  `bun:"artifact_id"`
	Digest     string `bun:"digest"`
	Size       int64  `bun:"size"`
}

type projectBlobRow struct {
	bun.BaseModel `bun:"table:project_blobs,alias:t"`

	ID        int64  `bun:"id,pk,autoincrement"`
	ProjectID int64  `bun:"project_id"`
	Digest    string `bun:"digest"`
	Size      int64  `bun:"size"`
	Refs      int64  `bun:"refs"`
}

type usageRow struct {
	bun.BaseModel `bun:"table:project_usage,alias:t"`

	ID        int64 `bun:"id,pk,autoincrement"`
	ProjectID int64 `bun:"project_id"`
	Part      int64 `bun:"part"`
	Bytes     int64 `bun:"bytes"`
	Changed   int64 `bun:"changed"` // 1 until what the project holds is summed up
}

// usageParts is in how many rows what a project holds is summed up, so that pushes to its repositories don't queue up.
const usageParts = 8

// push is a transaction that changes what is in one repository. It holds the repository's row from its beginning on, so
// that two in one repository come one after the other, and touches what repositories share as late as it can.
type push struct {
	s       *Store
	tx      bun.Tx
	repo    repositoryRow
	touched []int64 // artifacts that may stand for themselves now, or no more
	top     int     // how many of them did
}

// PutArtifact notes a push. NotFound: there is no such project. Invalid: a text can't be kept.
func (s *Store) PutArtifact(ctx context.Context, p store.Push) (store.Artifact, error) {
	if err := checkPush(p); err != nil {
		return store.Artifact{}, err
	}
	id, err := s.ensureRepository(ctx, p)
	if err != nil {
		return store.Artifact{}, err
	}
	var row artifactRow
	err = s.inRepository(ctx, id, func(ctx context.Context, t *push) error {
		if t.repo.ProjectID != p.ProjectID {
			return errOtherProject(p.Repository)
		}
		id, err := t.put(ctx, p)
		if err != nil {
			return err
		}
		row = artifactRow{}
		return withRepository(t.tx.NewSelect().Model(&row)).Where("t.id = ?", id).Scan(ctx)
	})
	if err != nil {
		return store.Artifact{}, s.failed("noting a push", err)
	}
	a := row.record()
	a.Children = p.Artifact.Children // the digest is of them, too
	return a, nil
}

func checkPush(p store.Push) error {
	a := p.Artifact
	fields := []field{
		{"the repository's name", p.Repository, 255},
		{"the tag", p.Tag, 128},
		{"the digest", a.Digest, 300},
		{"the media type", a.MediaType, 255},
		{"the artifact type", a.ArtifactType, 255},
		{"the config's media type", a.ConfigType, 255},
		{"the kind", a.Kind, 255},
		{"the subject", a.Subject, 300},
		{"the annotations", writeMap(a.Annotations), maxManifestText},
		{"what the config says", string(a.Extra), maxManifestText},
	}
	for _, c := range a.Children {
		fields = append(fields, field{"a digest", c.Digest, 300}, field{"a platform", string(c.Platform), maxPlatform}, field{"annotations", writeMap(c.Annotations), maxPlatform})
	}
	for _, b := range p.Blobs {
		fields = append(fields, field{"a digest", b.Digest, 300})
	}
	if p.Repository == "" || a.Digest == "" {
		return errs.New(errs.Invalid, "a push needs a repository and a digest").WithHint("give both")
	}
	return checkFields(fields...)
}

const (
	maxManifestText = 4 << 20 // as long as a manifest can be
	maxPlatform     = 60_000
)

// ensureRepository returns the id of the repository, and makes it if it is new.
func (s *Store) ensureRepository(ctx context.Context, p store.Push) (int64, error) {
	for {
		r, err := s.RepositoryByName(ctx, p.Repository)
		if !errs.Is(err, errs.NotFound) {
			return r.ID, err
		}
		now := s.stamp()
		row := repositoryRow{ProjectID: p.ProjectID, Name: p.Repository, CreatedAt: now, UpdatedAt: now}
		err = s.again(ctx, func() error {
			row.ID = 0
			_, err := s.write.NewInsert().Model(&row).Exec(ctx)
			return err
		})
		switch s.dialect.fault(err) {
		case faultDuplicate: // another push was first
			continue
		case faultReference:
			return 0, notFound("project", p.ProjectID)
		default:
			return row.ID, s.failed("noting a repository", err)
		}
	}
}

// inRepository runs fn in a transaction that holds the repository, and counts its artifacts anew when fn is done.
func (s *Store) inRepository(ctx context.Context, id int64, fn func(ctx context.Context, t *push) error) error {
	return s.inTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		repo, err := s.repositoryRow(ctx, s.locked(tx.NewSelect()), id)
		if err != nil {
			return err
		}
		t := &push{s: s, tx: tx, repo: repo}
		if err := fn(ctx, t); err != nil {
			return err
		}
		return t.settle(ctx)
	})
}

// put notes one push and returns the artifact's id.
func (t *push) put(ctx context.Context, p store.Push) (int64, error) {
	at := t.s.stamp()
	if !p.At.IsZero() {
		at = toMicros(p.At)
	}
	id, err := t.artifact(ctx, p, at)
	if err != nil {
		return 0, err
	}
	t.touched = append(t.touched, id)
	if p.Tag != "" {
		if err := t.tag(ctx, p.Tag, id, at); err != nil {
			return 0, err
		}
	}
	t.repo.UpdatedAt = max(t.repo.UpdatedAt, at)
	return id, nil
}

// artifact makes the artifact, or finds it.
func (t *push) artifact(ctx context.Context, p store.Push, at int64) (int64, error) {
	var row artifactRow
	err := t.tx.NewSelect().Model(&row).Where("t.repository_id = ? AND t.digest = ?", t.repo.ID, p.Artifact.Digest).Scan(ctx)
	if err == nil {
		_, err = t.tx.NewUpdate().Model(&row).Set("pushed_at = ?", at).Where("id = ? AND pushed_at < ?", row.ID, at).Exec(ctx)
		return row.ID, err
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	a := p.Artifact
	row = artifactRow{
		ProjectID: t.repo.ProjectID, RepositoryID: t.repo.ID, Digest: a.Digest, MediaType: a.MediaType, ArtifactType: a.ArtifactType, ConfigType: a.ConfigType,
		Kind: a.Kind, Size: a.Size, Subject: a.Subject, Referrer: number(a.Referrer), Annotations: writeMap(a.Annotations), Extra: string(a.Extra), PushedAt: at,
	}
	if _, err := t.tx.NewInsert().Model(&row).Exec(ctx); err != nil {
		return 0, err
	}
	if err := t.children(ctx, row.ID, a.Children); err != nil {
		return 0, err
	}
	return row.ID, t.hold(ctx, row.ID, once(p.Blobs))
}

// children notes what an index refers to. Those that are here stand for themselves no more.
func (t *push) children(ctx context.Context, parent int64, children []store.Child) error {
	if len(children) == 0 {
		return nil
	}
	rows := make([]childRow, len(children))
	digests := make([]string, len(children))
	for i, c := range children {
		rows[i] = childRow{ParentID: parent, RepositoryID: t.repo.ID, Position: i, Digest: c.Digest, Platform: string(c.Platform), Annotations: writeMap(c.Annotations)}
		digests[i] = c.Digest
	}
	for some := range slices.Chunk(rows, lookUpSize) {
		if _, err := t.tx.NewInsert().Model(&some).Exec(ctx); err != nil {
			return err
		}
	}
	return t.touch(ctx, digests)
}

// touch remembers the artifacts of these digests.
func (t *push) touch(ctx context.Context, digests []string) error {
	for some := range slices.Chunk(digests, lookUpSize) {
		var ids []int64
		err := t.tx.NewSelect().Model((*artifactRow)(nil)).Column("t.id").Where("t.repository_id = ? AND t.digest IN (?)", t.repo.ID, bun.List(some)).Scan(ctx, &ids)
		if err != nil {
			return err
		}
		t.touched = append(t.touched, ids...)
	}
	return nil
}

// tag lets a tag stand for an artifact.
func (t *push) tag(ctx context.Context, name string, artifact, at int64) error {
	var row tagRow
	err := t.tx.NewSelect().Model(&row).Where("t.repository_id = ? AND t.name = ?", t.repo.ID, name).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		row = tagRow{RepositoryID: t.repo.ID, ArtifactID: artifact, Name: name, PushedAt: at}
		_, err = t.tx.NewInsert().Model(&row).Exec(ctx)
		return err
	}
	if err != nil {
		return err
	}
	if row.ArtifactID != artifact {
		t.touched = append(t.touched, row.ArtifactID)
	}
	row.ArtifactID, row.PushedAt = artifact, max(row.PushedAt, at)
	_, err = t.tx.NewUpdate().Model(&row).Column("artifact_id", "pushed_at").WherePK().Exec(ctx)
	return err
}

// settle says of what was touched whether it stands for itself, and counts the repository's artifacts.
func (t *push) settle(ctx context.Context) error {
	slices.Sort(t.touched)
	for some := range slices.Chunk(slices.Compact(t.touched), lookUpSize) {
		const stands = "(EXISTS (SELECT 1 FROM tags AS g WHERE g.artifact_id = artifacts.id) OR artifacts.subject = '' AND NOT EXISTS " +
			"(SELECT 1 FROM artifact_children AS c WHERE c.repository_id = artifacts.repository_id AND c.digest = artifacts.digest))"
		for value, change := range map[bool]int{true: 1, false: -1} {
			is := stands
			if !value {
				is = "NOT " + stands
			}
			n, err := t.s.deleted(t.tx.NewUpdate().Table("artifacts").Set("top = ?", value).
				Where("id IN (?) AND top = ? AND "+is, bun.List(some), !value).Exec(ctx))
			if err != nil {
				return err
			}
			t.top += change * n
		}
	}
	t.repo.Artifacts += t.top
	_, err := t.tx.NewUpdate().Model(&t.repo).Column("artifact_count", "updated_at").WherePK().Exec(ctx)
	return err
}

// hold counts the blobs of a new artifact.
func (t *push) hold(ctx context.Context, artifact int64, blobs []store.Blob) error {
	var added int64
	for some := range slices.Chunk(blobs, lookUpSize) {
		mine := make([]artifactBlobRow, len(some))
		digests := make([]string, len(some))
		for i, b := range some {
			mine[i], digests[i] = artifactBlobRow{ArtifactID: artifact, Digest: b.Digest, Size: b.Size}, b.Digest
		}
		if _, err := t.tx.NewInsert().Model(&mine).Exec(ctx); err != nil {
			return err
		}
		if err := t.refer(ctx, some); err != nil {
			return err
		}
		// Those with one reference are new here: others who refer to them wait for this transaction.
		var fresh int64
		err := t.tx.NewSelect().Model((*projectBlobRow)(nil)).ColumnExpr("COALESCE(SUM(t.size), 0)").
			Where("t.project_id = ? AND t.refs = 1 AND t.digest IN (?)", t.repo.ProjectID, bun.List(digests)).Scan(ctx, &fresh)
		if err != nil {
			return err
		}
		added += fresh
	}
	return t.use(ctx, added)
}

// refer adds a reference to each blob of the project.
func (t *push) refer(ctx context.Context, blobs []store.Blob) error {
	rows := make([]projectBlobRow, len(blobs))
	for i, b := range blobs {
		rows[i] = projectBlobRow{ProjectID: t.repo.ProjectID, Digest: b.Digest, Size: b.Size, Refs: 1}
	}
	q := t.tx.NewInsert().Model(&rows)
	if t.s.dialect.duplicateKey {
		q = q.On("DUPLICATE KEY UPDATE").Set("refs = refs + 1")
	} else {
		q = q.On("CONFLICT (project_id, digest) DO UPDATE").Set("refs = t.refs + 1")
	}
	_, err := q.Returning("NULL").Exec(ctx)
	return err
}

// use changes what the project holds.
func (t *push) use(ctx context.Context, bytes int64) error {
	if bytes == 0 {
		return nil
	}
	row := usageRow{ProjectID: t.repo.ProjectID, Part: t.repo.ID % usageParts, Bytes: bytes, Changed: 1}
	q := t.tx.NewInsert().Model(&row)
	if t.s.dialect.duplicateKey {
		q = q.On("DUPLICATE KEY UPDATE").Set("bytes = bytes + ?, changed = 1", bytes)
	} else {
		q = q.On("CONFLICT (project_id, part) DO UPDATE").Set("bytes = t.bytes + ?, changed = 1", bytes)
	}
	_, err := q.Returning("NULL").Exec(ctx)
	return err
}

// letGo takes back the references of artifacts that are about to be deleted.
func (s *Store) letGo(ctx context.Context, tx bun.Tx, repo repositoryRow, artifacts *bun.SelectQuery) error {
	var lost []struct {
		Digest string `bun:"digest"`
		Times  int64  `bun:"times"`
	}
	err := tx.NewSelect().Model((*artifactBlobRow)(nil)).Column("t.digest").ColumnExpr("COUNT(*) AS times").
		Where("t.artifact_id IN (?)", artifacts).Group("t.digest").Order("t.digest").Scan(ctx, &lost)
	if err != nil {
		return err
	}
	digests := make([]string, len(lost))
	for i, b := range lost {
		digests[i] = b.Digest
		_, err := tx.NewUpdate().Table("project_blobs").Set("refs = refs - ?", b.Times).Where("project_id = ? AND digest = ?", repo.ProjectID, b.Digest).Exec(ctx)
		if err != nil {
			return err
		}
	}
	var freed int64
	for some := range slices.Chunk(digests, lookUpSize) {
		var bytes int64
		err := tx.NewSelect().Model((*projectBlobRow)(nil)).ColumnExpr("COALESCE(SUM(t.size), 0)").
			Where("t.project_id = ? AND t.refs <= 0 AND t.digest IN (?)", repo.ProjectID, bun.List(some)).Scan(ctx, &bytes)
		if err != nil {
			return err
		}
		_, err = tx.NewDelete().Model((*projectBlobRow)(nil)).Where("project_id = ? AND refs <= 0 AND digest IN (?)", repo.ProjectID, bun.List(some)).Exec(ctx)
		if err != nil {
			return err
		}
		freed += bytes
	}
	t := push{s: s, tx: tx, repo: repo}
	return t.use(ctx, -freed)
}

// DeleteArtifact removes the artifact with its tags, or returns NotFound.
func (s *Store) DeleteArtifact(ctx context.Context, id int64) error {
	a, err := s.Artifact(ctx, id)
	if err != nil {
		return err
	}
	err = s.inRepository(ctx, a.RepositoryID, func(ctx context.Context, t *push) error {
		var row artifactRow
		if err := t.tx.NewSelect().Model(&row).Where("t.id = ?", id).Scan(ctx); err != nil {
			return s.found("artifact", id, err)
		}
		if row.Top {
			t.top--
		}
		digests := make([]string, len(a.Children))
		for i, c := range a.Children {
			digests[i] = c.Digest
		}
		if err := t.touch(ctx, digests); err != nil {
			return err
		}
		one := t.tx.NewSelect().Model((*artifactRow)(nil)).Column("t.id").Where("t.id = ?", id)
		if err := s.letGo(ctx, t.tx, t.repo, one); err != nil {
			return err
		}
		_, err := t.tx.NewDelete().Model((*artifactRow)(nil)).Where("id = ?", id).Exec(ctx)
		return err
	})
	return s.failed("deleting an artifact", err)
}

// DeleteTag removes a tag and leaves the artifact, or returns NotFound.
func (s *Store) DeleteTag(ctx context.Context, repositoryID int64, name string) error {
	err := s.inRepository(ctx, repositoryID, func(ctx context.Context, t *push) error {
		var row tagRow
		if err := t.tx.NewSelect().Model(&row).Where("t.repository_id = ? AND t.name = ?", repositoryID, name).Scan(ctx); err != nil {
			return s.found("tag", name, err)
		}
		t.touched = append(t.touched, row.ArtifactID)
		_, err := t.tx.NewDelete().Model(&row).WherePK().Exec(ctx)
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return notFound("tag", name)
	}
	return s.failed("deleting a tag", err)
}

// NewBytes returns how many of the bytes of the blobs a project does not hold yet.
func (s *Store) NewBytes(ctx context.Context, projectID int64, blobs []store.Blob) (fresh int64, err error) {
	for some := range slices.Chunk(once(blobs), lookUpSize) {
		sizes := map[string]int64{}
		digests := make([]string, len(some))
		for i, b := range some {
			sizes[b.Digest], digests[i] = b.Size, b.Digest
		}
		var held []string
		err := s.read.NewSelect().Model((*projectBlobRow)(nil)).Column("t.digest").Where("t.project_id = ? AND t.digest IN (?)", projectID, bun.List(digests)).Scan(ctx, &held)
		if err != nil {
			return 0, s.failed("reading what a project holds", err)
		}
		for _, digest := range held {
			delete(sizes, digest)
		}
		for _, size := range sizes {
			fresh += size
		}
	}
	return fresh, nil
}
