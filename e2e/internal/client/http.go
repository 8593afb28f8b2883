package client

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/sealock/sealock/e2e/internal/fixture"
	"github.com/sealock/sealock/e2e/internal/wire"
)

// plainHTTP is no real client: it sends the requests of the specification and nothing
// else, so that a difference between clients can be told from one between registries.
func plainHTTP() Driver {
	return Driver{
		Name: "http",
		Login: func(s *Session, user, pass string) Output {
			s.User, s.Pass = user, pass
			w := s.wire()
			challenge, err := w.Challenge()
			if err != nil {
				return report("login", "", err)
			}
			_, _, err = w.Token(challenge)
			return report("login", "", err)
		},
		Push: func(s *Session, ref Ref, content string) Output {
			image, err := fixture.NewImage(content)
			if err == nil {
				err = s.wire().Push(ref.Repository, ref.Tag, image)
			}
			return report("push", "", err)
		},
		Pull: httpPull,
		Tags: func(s *Session, ref Ref) Output {
			tags, err := s.wire().Tags(ref.Repository)
			return report("tags", strings.Join(tags, "\n"), err)
		},
		Catalog: func(s *Session) Output {
			names, err := s.wire().Catalog()
			return report("catalog", strings.Join(names, "\n"), err)
		},
		Copy: httpCopy,
		Delete: func(s *Session, ref Ref, digest string) Output {
			return report("delete", "", s.wire().Delete(ref.Repository, digest))
		},
		UseToken: func(s *Session, token string) { s.bearer = token },
		Remount:  httpRemount,
		Shows:    Screens{WrongPassword: "UNAUTHORIZED", Denied: true},
	}
}

func (s *Session) wire() *wire.Client {
	w := wire.New(s.Host, s.User, s.Pass)
	w.Refresh, w.Bearer = s.Refresh, s.bearer
	return w
}

func report(what, text string, err error) Output {
	if err != nil {
		text += err.Error()
	}
	return Output{Command: "(plain HTTP: " + what + ")", Stdout: text, Text: text, Err: err}
}

// httpPull reads the manifest and every blob into a folder.
func httpPull(s *Session, ref Ref, _ string) (Pulled, Output) {
	w := s.wire()
	manifest, digest, err := w.Manifest(ref.Repository, ref.Tag)
	if err != nil {
		return Pulled{}, report("pull", "", err)
	}
	dir := s.Fresh("pulled")
	for _, d := range append(manifest.Layers, manifest.Config) {
		blob, err := w.Blob(ref.Repository, d.Digest)
		if err != nil {
			return Pulled{}, report("pull", "", err)
		}
		fixture.File(s.T, filepath.Join(dir, strings.TrimPrefix(d.Digest, "sha256:")), string(blob))
	}
	return Pulled{Digest: digest, Dir: dir}, report("pull", digest, nil)
}

// httpCopy mounts every blob, which has to work where both repositories may be read.
func httpCopy(s *Session, src, dst Ref) Output {
	w := s.wire()
	manifest, _, err := w.Manifest(src.Repository, src.Tag)
	if err != nil {
		return report("copy", "", err)
	}
	for _, d := range append(manifest.Layers, manifest.Config) {
		resp, err := w.Mount(dst.Repository, src.Repository, d.Digest)
		if err == nil && resp.Status != http.StatusCreated {
			err = fmt.Errorf("mounting %s from %s: got %s, want 201", d.Digest, src.Repository, resp)
		}
		if err != nil {
			return report("copy", "", err)
		}
	}
	return report("copy", "", w.PutManifest(dst.Repository, dst.Tag, manifest))
}

// httpRemount asks for a mount from a repository that may not be read. The answer has
// to be one after which a push goes on: an upload that was opened instead, or the 401
// after which clients upload.
func httpRemount(s *Session, src, dst Ref, content string) Output {
	image, err := fixture.NewImage(content)
	if err != nil {
		return report("mount", "", err)
	}
	w := s.wire()
	resp, err := w.Mount(dst.Repository, src.Repository, fixture.Digest(image.Layer))
	if err != nil {
		return report("mount", "", err)
	}
	if resp.Status != http.StatusAccepted && resp.Status != http.StatusUnauthorized {
		return report("mount", "", errors.New("a mount from where this user may not pull: got "+resp.String()+", want 202 or 401"))
	}
	return report("push", resp.String(), w.Push(dst.Repository, dst.Tag, image))
}
