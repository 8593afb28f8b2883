package embedded

import (
	"context"
	"errors"
	"strings"

	"github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/sealock/sealock/internal/errs"
)

// Where the library keeps repositories, and the folder that makes a folder one.
const (
	repositoriesRoot = "/docker/registry/v2/repositories"
	manifestsFolder  = "_manifests"
)

// CatalogPage implements proxy.Catalog. It walks the folders itself: the library's own listing goes on after its page
// is full when the page starts below another repository, and then writes past its end.
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
		if skip || isRepository {
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

// repository returns the name of the repository whose manifests folder this is, and whether to walk past a folder that
// holds no repositories.
func repository(path string) (name string, isRepository, skip bool) {
	rest := strings.TrimPrefix(path, repositoriesRoot+"/")
	i := strings.LastIndexByte(rest, '/')
	folder := rest[i+1:]
	if i > 0 && folder == manifestsFolder {
		return rest[:i], true, true
	}
	return "", false, strings.HasPrefix(folder, "_")
}
