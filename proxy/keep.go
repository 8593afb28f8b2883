package proxy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/dustin/go-humanize"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Keeper knows which tags stay what they are, and how much projects may hold. Repositories are named in full. What it can't
// tell is an error, and the gate lets nothing through then.
type Keeper interface {
	// KeepsTag reports whether a tag of the repository, if it is there, can be neither pushed anew nor deleted.
	KeepsTag(ctx context.Context, repository, tag string) (bool, error)
	// Keeps returns what says of the tags of the repository what KeepsTag does; nil where no rule is about it.
	Keeps(ctx context.Context, repository string) (func(tag string) bool, error)
	// KeptTag returns a tag that stands for the digest, or for an index that lists it, and that KeepsTag is true of; "" for
	// none. known is whether it knows what the digest is, where any rule is about the repository.
	KeptTag(ctx context.Context, repository, digest string) (tag string, known bool, err error)
	// Room returns how many bytes the project of the repository may hold, and holds. A limit of 0 is any number, and costs no
	// look at what it holds.
	Room(ctx context.Context, repository string) (Room, error)
	// NewBytes returns how many of the bytes the project of the repository does not hold yet. Sizes are by digest.
	NewBytes(ctx context.Context, repository string, sizes map[string]int64) (int64, error)
}

// Room is how many bytes a project may hold, and holds.
type Room struct{ Limit, Used int64 }

// takes reports whether so many bytes more are within the limit. The sum can't run over.
func (r Room) takes(adds int64) bool { return adds <= 0 || adds <= r.Limit-r.Used }

// mostMeasured is how many blobs the door measures for one manifest. Images have some hundred layers at most.
const mostMeasured = 1000

// admitKept refuses to move or delete a tag that a rule of the project keeps. digest is that of what is pushed, "" where
// that is not known; the same content again is no change.
func (g *Gate) admitKept(ctx context.Context, v *visit, sub auth.Subject, digest string) error {
	blob := v.Kind == KindBlob && v.Method == http.MethodDelete
	if g.Keeper == nil || !blob && (v.Kind != KindManifest || v.Method != http.MethodPut && v.Method != http.MethodDelete) {
		return nil
	}
	tag, err := g.keptTag(ctx, v, digest)
	if err != nil || tag == "" {
		return err
	}
	done := "overwritten"
	if v.Method == http.MethodDelete {
		done = "deleted"
	}
	if blob {
		done = "deprived of what it refers to"
	}
	denial := errs.New(errs.Precondition, "tag %q of repository %q is immutable and can't be %s", tag, v.Repository, done).
		WithHint("use another tag, or ask an administrator of the project to change its immutable tag rules")
	return g.deny(ctx, v, sub, "", denial, v.Access())
}

// keptTag returns the tag that stands in the way of the request; "" for none. Rules come first: most tags are under none,
// and the registry is not asked about them.
func (g *Gate) keptTag(ctx context.Context, v *visit, digest string) (string, error) {
	switch {
	case v.Kind == KindBlob:
		return g.holder(ctx, v.Repository, v.Reference)
	case v.tag() == "" && v.Method == http.MethodPut:
		return "", nil // what is pushed by its digest moves no tag
	case v.tag() == "":
		tag, known, err := g.Keeper.KeptTag(ctx, v.Repository, v.Reference)
		if err != nil || known {
			return tag, err
		}
		return g.holder(ctx, v.Repository, v.Reference)
	}
	kept, err := g.Keeper.KeepsTag(ctx, v.Repository, v.tag())
	if err != nil || !kept {
		return "", err
	}
	found, err := v.to.Upstream.TagDigest(ctx, v.Repository, v.tag())
	if err != nil || found == "" || v.Method == http.MethodPut && found == digest {
		return "", err
	}
	return v.tag(), nil
}

// admitUpload refuses bytes that can't be kept: to begin an upload where the project is full, and to send more than what
// is left, chunk by chunk. Whose length is not told is cut off where it is too much.
func (g *Gate) admitUpload(ctx context.Context, v *visit, sub auth.Subject, out *http.Request) error {
	begins := v.Kind == KindUploads && v.Method == http.MethodPost
	sends := v.Kind == KindUpload && (v.Method == http.MethodPut || v.Method == http.MethodPatch)
	if g.Keeper == nil || !begins && !sends || sends && v.r.ContentLength == 0 {
		return nil // what ends an upload brings nothing
	}
	room, err := g.Keeper.Room(ctx, v.Repository)
	if err != nil || room.Limit == 0 {
		return err
	}
	var before int64
	if sends {
		if before, err = g.inside.Uploaded(ctx, v.Repository, v.Reference); err != nil {
			return err
		}
	}
	left, adds := room.Limit-room.Used-before, max(v.r.ContentLength, 0)
	if begins {
		adds = max(adds, 1) // nothing is uploaded to send nothing
	}
	if adds <= left {
		if v.r.ContentLength < 0 && out.Body != nil {
			v.capUpload(out, room, before)
		}
		return nil
	}
	if v.From != "" { // what the project holds already takes up no more of it
		fresh, err := g.Keeper.NewBytes(ctx, v.Repository, map[string]int64{v.Mount: 1})
		if err != nil || fresh == 0 {
			return err
		}
	}
	if begins && v.r.ContentLength <= 0 {
		adds = 0
	}
	return g.denyFull(ctx, v, sub, room, adds+min(before, math.MaxInt64-adds))
}

// admitManifest refuses a manifest that would take the project over its limit, with what it refers to. Pushes at the same
// moment do not wait for each other: together they may go over by what is on its way.
func (g *Gate) admitManifest(ctx context.Context, v *visit, sub auth.Subject, sent manifestSent) error {
	if g.Keeper == nil {
		return nil
	}
	room, err := g.Keeper.Room(ctx, v.Repository)
	if err != nil || room.Limit == 0 {
		return err
	}
	adds := max(v.r.ContentLength, 1)
	if sent.body != nil {
		if adds, err = g.adds(ctx, v, sent); err != nil {
			return err
		}
	}
	if room.takes(adds) {
		return nil
	}
	return g.denyFull(ctx, v, sub, room, adds)
}

// adds returns how many bytes the project holds more with the manifest. Sizes are what the registry has, and a manifest that
// says something else is refused: the index would count what it says.
func (g *Gate) adds(ctx context.Context, v *visit, sent manifestSent) (int64, error) {
	m, err := ReadManifest(sent.mediaType, sent.body)
	if err != nil {
		return 0, err
	}
	stated := m.blobs()
	if len(stated) > mostMeasured {
		return 0, badManifest("the manifest refers to more than %d blobs, in a project with a storage quota", mostMeasured)
	}
	some := map[string]int64{sent.digest: 1}
	for digest := range stated {
		some[digest] = 1
	}
	if fresh, err := g.Keeper.NewBytes(ctx, v.Repository, some); err != nil || fresh == 0 {
		return 0, err
	}
	sizes := map[string]int64{sent.digest: int64(len(sent.body))}
	for digest, size := range stated {
		found, err := g.inside.Size(ctx, v.Repository, digest)
		if errs.Is(err, errs.NotFound) { // kept elsewhere, or the registry refuses the manifest for it
			continue
		}
		if err != nil {
			return 0, err
		}
		if found != size {
			return 0, badManifest("the manifest says that %s has %d bytes, and it has %d", digest, size, found)
		}
		sizes[digest] = found
	}
	return g.Keeper.NewBytes(ctx, v.Repository, sizes)
}

// blobs returns the sizes of what is kept beside the manifest, by digest. What an index lists was pushed before it.
func (m Manifest) blobs() map[string]int64 {
	sizes := map[string]int64{}
	if m.Config != nil {
		sizes[m.Config.Digest.String()] = m.Config.Size
	}
	for _, d := range m.Layers {
		sizes[d.Digest.String()] = d.Size
	}
	return sizes
}

func (g *Gate) denyFull(ctx context.Context, v *visit, sub auth.Subject, room Room, adds int64) error {
	project, _ := auth.Project(v.Repository)
	plus := "is full"
	if adds > 0 {
		plus = fmt.Sprintf("has no room for %s more", bytesText(adds))
	}
	denial := errs.New(errs.Denied, "project %q %s: it holds %s of its quota of %s", project, plus, bytesText(room.Used), bytesText(room.Limit)).
		WithHint("delete what nobody needs, or ask an administrator of this server for a larger quota")
	return g.deny(ctx, v, sub, "", denial, v.Access())
}

func bytesText(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// Size returns how many bytes a blob has.
func (i *Inside) Size(ctx context.Context, repository, digest string) (int64, error) {
	what := Request{Kind: KindBlob, Method: http.MethodHead, Repository: repository, Reference: digest}
	got, err := i.do(ctx, ownRequest{Request: what}, maxErrorBytes, http.StatusOK)
	if err != nil {
		return 0, err
	}
	size, err := strconv.ParseInt(got.header.Get("Content-Length"), 10, 64)
	if err != nil || size < 0 {
		return 0, errUpstream(errors.Join(fmt.Errorf("measuring blob %s of %s", digest, repository), err))
	}
	return size, nil
}
