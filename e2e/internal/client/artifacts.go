package client

import (
	"path/filepath"
	"strings"

	"github.com/sealock/sealock/e2e/internal/fixture"
)

func crane() Driver {
	return Driver{
		Name:  "crane",
		Tools: []string{"crane"},
		Login: func(s *Session, user, pass string) Output {
			return s.RunWith(pass, "crane", "auth", "login", s.Host, "--username", user, "--password-stdin")
		},
		Push: func(s *Session, ref Ref, content string) Output {
			layout := fixture.Layout(s.T, s.Fresh("layout"), ref.Tag, content)
			return s.Run("crane", "push", layout, ref.String())
		},
		Pull: func(s *Session, ref Ref, _ string) (Pulled, Output) {
			dir := s.Fresh("pulled")
			out := s.Run("crane", "pull", "--format", "oci", ref.String(), dir)
			if out.Err != nil {
				return Pulled{}, out
			}
			return Pulled{Digest: firstDigest(s.Run("crane", "digest", ref.String()).Stdout), Dir: dir}, out
		},
		Tags:    func(s *Session, ref Ref) Output { return s.Run("crane", "ls", ref.Name()) },
		Catalog: func(s *Session) Output { return s.Run("crane", "catalog", s.Host) },
		Copy: func(s *Session, src, dst Ref) Output {
			return s.Run("crane", "copy", src.String(), dst.String())
		},
		Delete: func(s *Session, ref Ref, digest string) Output {
			return s.Run("crane", "delete", ref.At(digest))
		},
		UseToken:       storeToken,
		LoginIsOffline: true,
		Cannot:         map[Operation]string{MountDenied: noMemory},
		Shows:          Screens{WrongPassword: "UNAUTHORIZED", Denied: true},
	}
}

func oras() Driver {
	return Driver{
		Name:  "oras",
		Tools: []string{"oras"},
		Login: func(s *Session, user, pass string) Output {
			return s.RunWith(pass, "oras", "login", "--plain-http", "--username", user, "--password-stdin", s.Host)
		},
		Push: func(s *Session, ref Ref, content string) Output {
			file := fixture.File(s.T, s.Fresh("content.txt"), content)
			return s.Run("oras", "push", "--plain-http", "--disable-path-validation", ref.String(), file+":text/plain")
		},
		Pull: func(s *Session, ref Ref, _ string) (Pulled, Output) {
			dir := s.Fresh("pulled")
			out := s.Run("oras", "pull", "--plain-http", "--allow-path-traversal", "--output", dir, ref.String())
			return Pulled{Digest: lastDigest(out.Stdout)}, out
		},
		Tags: func(s *Session, ref Ref) Output {
			return s.Run("oras", "repo", "tags", "--plain-http", ref.Name())
		},
		Catalog: func(s *Session) Output {
			return s.Run("oras", "repo", "ls", "--plain-http", s.Host)
		},
		Copy: func(s *Session, src, dst Ref) Output {
			return s.Run("oras", "cp", "--from-plain-http", "--to-plain-http", src.String(), dst.String())
		},
		Delete: func(s *Session, ref Ref, digest string) Output {
			return s.Run("oras", "manifest", "delete", "--plain-http", "--force", ref.At(digest))
		},
		UseToken: storeToken,
		Cannot:   map[Operation]string{MountDenied: noMemory},
		Shows:    Screens{WrongPassword: "unauthorized", Denied: true},
	}
}

func helm() Driver {
	return Driver{
		Name:  "helm",
		Tools: []string{"helm"},
		Login: func(s *Session, user, pass string) Output {
			return s.RunWith(pass, "helm", "registry", "login", "--plain-http", "--username", user, "--password-stdin", s.Host)
		},
		Push: func(s *Session, ref Ref, content string) Output {
			parent, name := filepath.Split(ref.Repository)
			chart := fixture.Chart(s.T, s.Fresh("chart"), name, ref.Tag, content)
			return s.Run("helm", "push", "--plain-http", chart, "oci://"+s.Host+"/"+strings.TrimSuffix(parent, "/"))
		},
		Pull: func(s *Session, ref Ref, _ string) (Pulled, Output) {
			dir := s.Fresh("pulled")
			fixture.File(s.T, filepath.Join(dir, ".keep"), "")
			out := s.Run("helm", "pull", "--plain-http", "oci://"+ref.Name(), "--version", ref.Tag, "--destination", dir)
			return Pulled{Digest: firstDigest(out.Text), Dir: dir}, out
		},
		Cannot: map[Operation]string{
			Delete: noDelete, Tags: noTags, Catalog: noCatalog,
			Copy:        "has no command that copies a chart; a second push uploads it again",
			MountDenied: noMemory,
		},
		UseToken: storeToken,
		Shows:    Screens{WrongPassword: "unauthorized", Denied: true},
	}
}

func regctl() Driver {
	return Driver{
		Name:  "regctl",
		Tools: []string{"regctl"},
		Login: func(s *Session, user, pass string) Output {
			s.regctlPlain()
			return s.RunWith(pass, "regctl", "registry", "login", s.Host, "--user", user, "--pass-stdin")
		},
		Push: func(s *Session, ref Ref, content string) Output {
			s.regctlPlain()
			layout := fixture.Layout(s.T, s.Fresh("layout"), ref.Tag, content)
			return s.Run("regctl", "image", "copy", "ocidir://"+layout+":"+ref.Tag, ref.String())
		},
		Pull: func(s *Session, ref Ref, _ string) (Pulled, Output) {
			s.regctlPlain()
			dir := s.Fresh("pulled")
			out := s.Run("regctl", "image", "copy", ref.String(), "ocidir://"+dir+":"+ref.Tag)
			if out.Err != nil {
				return Pulled{}, out
			}
			digest := s.Run("regctl", "image", "digest", "ocidir://"+dir+":"+ref.Tag)
			return Pulled{Digest: firstDigest(digest.Stdout), Dir: dir}, out
		},
		Tags:    func(s *Session, ref Ref) Output { return s.Run("regctl", "tag", "ls", ref.Name()) },
		Catalog: func(s *Session) Output { return s.Run("regctl", "repo", "ls", s.Host) },
		Copy: func(s *Session, src, dst Ref) Output {
			return s.Run("regctl", "image", "copy", src.String(), dst.String())
		},
		Delete: func(s *Session, ref Ref, _ string) Output {
			return s.Run("regctl", "tag", "rm", ref.String())
		},
		Cannot: map[Operation]string{MountDenied: noMemory, Expired: noUseToken},
		Shows:  Screens{WrongPassword: "unauthorized", Denied: true},
	}
}

// regctlPlain tells regctl that the registry speaks plain HTTP.
func (s *Session) regctlPlain() {
	s.T.Helper()
	if out := s.Run("regctl", "registry", "set", "--tls", "disabled", "--skip-check", s.Host); out.Err != nil {
		s.T.Fatalf("telling regctl about the registry:\n%s", out)
	}
}
