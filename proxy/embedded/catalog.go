package embedded

import (
	"context"
	"errors"
	"path"
	"strings"

	"github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Where the library keeps repositories, and the folder that makes a folder one.
const (
	repositoriesRoot = "/docker/registry/v2/repositories"
	manifestsFolder  = "_manifests"
)

// CatalogPage implements proxy.Catalog. It walks the folders itself, because the library's own listing panics when its
// page fills below a repository that follows in the walk (team/1/a and team/1/b, then team).
func (r *Registry) CatalogPage(ctx context.Context, last string, n int) ([]string, bool, error) {
	var names []string
	more := false
	visit := func(info driver.FileInfo) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if more {
			return driver.ErrFilledBuffer
		}
		name, isRepository, skip := repository(info.Path())
		switch {
		case isRepository && len(names) == n:
			more = true
			return driver.ErrFilledBuffer
		case isRepository && name != last:
			names = append(names, name)
		}
		if skip {
			return driver.ErrSkipDir
		}
		return nil
	}
	var options []func(*driver.WalkOptions)
	if last != "" {
		options = append(options, driver.WithStartAfterHint(repositoriesRoot+"/"+last+"/"+manifestsFolder))
	}
	err := r.disk.Walk(ctx, repositoriesRoot, visit, options...)
	if _, empty := errors.AsType[driver.PathNotFoundError](err); err != nil && !empty {
		return nil, false, errs.New(errs.Unavailable, "the embedded registry's folder can't be read").WithHint("try again; if it stays, check the disk").Because(err)
	}
	return names, more, nil
}

// HasTags implements proxy.Catalog.
func (r *Registry) HasTags(ctx context.Context, repository string) (bool, error) {
	tags, err := r.disk.List(ctx, repositoriesRoot+"/"+repository+"/"+manifestsFolder+"/tags")
	if _, none := errors.AsType[driver.PathNotFoundError](err); err != nil && !none {
		return false, errs.New(errs.Unavailable, "the embedded registry's folder can't be read").WithHint("try again; if it stays, check the disk").Because(err)
	}
	return len(tags) > 0, nil
}

// TagDigest implements proxy.Catalog.
func (r *Registry) TagDigest(ctx context.Context, repository, tag string) (string, error) {
	link, err := r.disk.GetContent(ctx, repositoriesRoot+"/"+repository+"/"+manifestsFolder+"/tags/"+tag+"/current/link")
	if _, none := errors.AsType[driver.PathNotFoundError](err); none {
		return "", nil
	}
	if err != nil {
		return "", errs.New(errs.Unavailable, "the embedded registry's folder can't be read").WithHint("try again; if it stays, check the disk").Because(err)
	}
	return strings.TrimSpace(string(link)), nil
}

// DropRepositories implements proxy.Catalog. Blobs stay until they are collected; without a repository nobody reaches them.
func (r *Registry) DropRepositories(ctx context.Context, project string) error {
	if !auth.ValidRepository(project) { // it becomes a path
		return errs.New(errs.Invalid, "no project can be named like that").WithHint("use the project's name")
	}
	err := r.disk.Delete(ctx, repositoriesRoot+"/"+project)
	if _, none := errors.AsType[driver.PathNotFoundError](err); err != nil && !none {
		return errs.New(errs.Unavailable, "the embedded registry's folder can't be changed").WithHint("check the disk and its permissions").Because(err)
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
	algorithms, err := r.disk.List(ctx, root)
	if err != nil {
		return nil, unread(repository, err)
	}
	var digests []string
	for _, algorithm := range algorithms {
		links, err := r.disk.List(ctx, algorithm)
		if err != nil {
			return nil, unread(repository, err)
		}
		for _, link := range links {
			digests = append(digests, path.Base(algorithm)+":"+path.Base(link))
		}
	}
	return digests, nil
}

func unread(repository string, err error) error {
	if _, none := errors.AsType[driver.PathNotFoundError](err); none {
		return errs.New(errs.NotFound, "the registry has no repository %s", repository).WithHint("push to it first").Because(err)
	}
	return errs.New(errs.Unavailable, "the embedded registry's folder can't be read").WithHint("try again; if it stays, check the disk").Because(err)
}

// repository returns the name of the repository whose manifests folder this is, and whether to walk past a folder that
// holds no repositories: names never start with '_', the library's own folders do.
func repository(folder string) (name string, isRepository, skip bool) {
	rest := strings.TrimPrefix(folder, repositoriesRoot+"/")
	name, below, own := strings.Cut(rest, "/_")
	return name, own && "_"+below == manifestsFolder, own || strings.HasPrefix(rest, "_")
}

// RenameRepositories implements proxy.Catalog. It is one step on the disk. What is being pushed has to be pushed again.
func (r *Registry) RenameRepositories(ctx context.Context, from, to string) error {
	if !auth.ValidRepository(from) || !auth.ValidRepository(to) { // they become paths
		return errs.New(errs.Invalid, "no project can be named like that").WithHint("use the project's name")
	}
	if _, err := r.disk.Stat(ctx, repositoriesRoot+"/"+to); err == nil {
		return errs.New(errs.Conflict, "the registry has repositories of %q", to).WithHint("choose another name")
	}
	err := r.disk.Move(ctx, repositoriesRoot+"/"+from, repositoriesRoot+"/"+to)
	if _, none := errors.AsType[driver.PathNotFoundError](err); none {
		return nil // it has no repositories yet, or was renamed already
	}
	if err != nil {
		return errs.New(errs.Unavailable, "the embedded registry's folder can't be changed").WithHint("try again; if it stays, check the disk").Because(err)
	}
	return nil
}
