package embedded

import (
	"context"
	"errors"
	"strings"

	"github.com/distribution/distribution/v3/registry/storage/driver"
	"golang.org/x/sync/errgroup"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// RenameRepositories implements proxy.Catalog. It is one step on a disk. An object store has no folders that could be
// renamed: there each object is, and who comes meanwhile may not find it. What is being pushed has to be pushed again.
func (r *Registry) RenameRepositories(ctx context.Context, from, to string) error {
	if !auth.ValidRepository(from) || !auth.ValidRepository(to) { // they become paths
		return errs.New(errs.Invalid, "no project can be named like that").WithHint("use the project's name")
	}
	if r.inFiles() {
		return r.renameFolder(ctx, from, to)
	}
	return r.renameObjects(ctx, from, to)
}

func taken(to string) error {
	return errs.New(errs.Conflict, "the registry has repositories of %q", to).WithHint("choose another name")
}

func (r *Registry) renameFolder(ctx context.Context, from, to string) error {
	if _, err := r.driver.Stat(ctx, repositoriesRoot+"/"+to); err == nil {
		return taken(to)
	}
	err := r.driver.Move(ctx, repositoriesRoot+"/"+from, repositoriesRoot+"/"+to)
	if _, none := errors.AsType[driver.PathNotFoundError](err); none {
		return nil // it has no repositories yet, or was renamed already
	}
	if err != nil {
		return r.unwritable(err)
	}
	return nil
}

const (
	// renamesFolder holds a note of each renaming that is under way, so that one which was cut short can be done again, or
	// undone: both names are then taken.
	renamesFolder = repositoriesRoot + "/_renames"
	// renameThreads is how many objects are renamed at one time.
	renameThreads = 16
)

func (r *Registry) renameObjects(ctx context.Context, from, to string) error {
	note := renamesFolder + "/" + strings.ReplaceAll(min(from, to)+"."+max(from, to), "/", "_")
	_, err := r.driver.Stat(ctx, note)
	underWay := err == nil
	if _, none := errors.AsType[driver.PathNotFoundError](err); err != nil && !none {
		return r.unreadable(err)
	}
	if !underWay {
		full, err := r.exists(ctx, to)
		if err != nil {
			return err
		}
		if full {
			return taken(to)
		}
		if some, err := r.exists(ctx, from); !some || err != nil {
			return err // it has no repositories yet, or was renamed already
		}
		if err := r.driver.PutContent(ctx, note, []byte(from+" "+to)); err != nil {
			return r.unwritable(err)
		}
	}
	if err := r.moveAll(ctx, repositoriesRoot+"/"+from, repositoriesRoot+"/"+to); err != nil {
		return r.unwritable(err)
	}
	if err := r.driver.Delete(ctx, note); err != nil {
		return r.unwritable(err)
	}
	return nil
}

// exists reports whether the project has anything.
func (r *Registry) exists(ctx context.Context, project string) (bool, error) {
	_, err := r.driver.Stat(ctx, repositoriesRoot+"/"+project)
	if _, none := errors.AsType[driver.PathNotFoundError](err); none {
		return false, nil
	}
	if err != nil {
		return false, r.unreadable(err)
	}
	return true, nil
}

// moveAll moves every object below a path.
func (r *Registry) moveAll(ctx context.Context, from, to string) error {
	moves, ctx := errgroup.WithContext(ctx)
	moves.SetLimit(renameThreads)
	err := r.driver.Walk(ctx, from, func(info driver.FileInfo) error {
		if name := info.Path(); !info.IsDir() {
			moves.Go(func() error { return r.driver.Move(ctx, name, to+strings.TrimPrefix(name, from)) })
		}
		return ctx.Err()
	})
	if _, none := errors.AsType[driver.PathNotFoundError](err); none {
		err = nil
	}
	return errors.Join(moves.Wait(), err)
}
