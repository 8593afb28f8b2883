package embedded

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Where the library keeps everything, and repositories; and the folder that makes a folder one.
const (
	libraryRoot      = "/docker/registry/v2"
	repositoriesRoot = libraryRoot + "/repositories"
	manifestsFolder  = "_manifests"
)

// CatalogPage implements proxy.Catalog. It walks the folders itself: the library's own listing panics when its page fills
// below a repository that follows in the walk (team/1/a and team/1/b, then team), and asks an object store for everything
// that is in the repositories.
func (r *Registry) CatalogPage(ctx context.Context, last string, n int) ([]string, bool, error) {
	w := &walk{driver: r.driver, most: n}
	var after []string
	if last != "" {
		after = append(strings.Split(last, "/"), manifestsFolder)
	}
	if err := w.folder(ctx, repositoriesRoot, "", after); err != nil && !errors.Is(err, errPageFull) {
		return nil, false, r.unreadable(err)
	}
	return w.names, w.more, nil
}

// walk collects a page of names, in the order of the paths of their manifests folders.
type walk struct {
	driver driver.StorageDriver
	most   int
	names  []string
	more   bool
}

var errPageFull = errors.New("the page is full")

// folder walks the repositories in the folder that is called name, from what follows the path after.
func (w *walk) folder(ctx context.Context, folder, name string, after []string) error {
	children, err := w.driver.List(ctx, folder)
	if _, gone := errors.AsType[driver.PathNotFoundError](err); gone {
		return nil
	}
	if err != nil {
		return err
	}
	slices.Sort(children)
	for _, child := range children {
		if err := ctx.Err(); err != nil { // files are listed all the same
			return err
		}
		base, rest := path.Base(child), []string(nil)
		if len(after) > 0 {
			switch {
			case base < after[0]:
				continue
			case base == after[0] && len(after) == 1: // the last name itself
				continue
			case base == after[0]:
				rest = after[1:]
			}
		}
		if err := w.child(ctx, child, base, name, rest); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) child(ctx context.Context, child, base, name string, after []string) error {
	switch {
	case base == manifestsFolder && name != "" && len(w.names) == w.most:
		w.more = true
		return errPageFull
	case base == manifestsFolder && name != "":
		w.names = append(w.names, name)
		return nil
	case strings.HasPrefix(base, "_"): // names never start so, the library's own folders do
		return nil
	}
	return w.folder(ctx, child, strings.TrimPrefix(name+"/"+base, "/"), after)
}

// HasTags implements proxy.Catalog.
func (r *Registry) HasTags(ctx context.Context, repository string) (bool, error) {
	tags, err := r.driver.List(ctx, repositoriesRoot+"/"+repository+"/"+manifestsFolder+"/tags")
	if _, none := errors.AsType[driver.PathNotFoundError](err); err != nil && !none {
		return false, r.unreadable(err)
	}
	return len(tags) > 0, nil
}

// TagDigest implements proxy.Catalog.
func (r *Registry) TagDigest(ctx context.Context, repository, tag string) (string, error) {
	link, err := r.driver.GetContent(ctx, repositoriesRoot+"/"+repository+"/"+manifestsFolder+"/tags/"+tag+"/current/link")
	if _, none := errors.AsType[driver.PathNotFoundError](err); none {
		return "", nil
	}
	if err != nil {
		return "", r.unreadable(err)
	}
	return strings.TrimSpace(string(link)), nil
}

// DropRepositories implements proxy.Catalog. Blobs stay until they are collected; without a repository nobody reaches them.
func (r *Registry) DropRepositories(ctx context.Context, project string) error {
	if !auth.ValidRepository(project) { // it becomes a path
		return errs.New(errs.Invalid, "no project can be named like that").WithHint("use the project's name")
	}
	err := r.driver.Delete(ctx, repositoriesRoot+"/"+project)
	if _, none := errors.AsType[driver.PathNotFoundError](err); err != nil && !none {
		return r.unwritable(err)
	}
	return nil
}

// Digests returns the digests of all manifests of a repository, whether a tag leads to them or not. NotFound: there is no
// such repository.
func (r *Registry) Digests(ctx context.Context, repository string) ([]string, error) {
	if !auth.ValidRepository(repository) { // it becomes a path
		return nil, errs.New(errs.NotFound, "no repository can be named like that").WithHint("check the name")
	}
	root := repositoriesRoot + "/" + repository + "/" + manifestsFolder + "/revisions"
	algorithms, err := r.driver.List(ctx, root)
	if err != nil {
		return nil, r.unread(repository, err)
	}
	var digests []string
	for _, algorithm := range algorithms {
		links, err := r.driver.List(ctx, algorithm)
		if err != nil {
			return nil, r.unread(repository, err)
		}
		for _, link := range links {
			digests = append(digests, path.Base(algorithm)+":"+path.Base(link))
		}
	}
	return digests, nil
}

func (r *Registry) unread(repository string, err error) error {
	if _, none := errors.AsType[driver.PathNotFoundError](err); none {
		return errs.New(errs.NotFound, "the registry has no repository %s", repository).WithHint("push to it first").Because(err)
	}
	return r.unreadable(err)
}
