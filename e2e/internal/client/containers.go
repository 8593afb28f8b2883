package client

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/sealock/sealock/e2e/internal/fixture"
)

// The three clients that share the library containers/image.

func skopeo() Driver {
	return Driver{
		Name:  "skopeo",
		Tools: []string{"skopeo"},
		Login: func(s *Session, user, pass string) Output {
			return s.RunWith(pass, "skopeo", "login", "--tls-verify=false", "--username", user, "--password-stdin", s.Host)
		},
		Push: skopeoPush,
		Pull: func(s *Session, ref Ref, _ string) (Pulled, Output) {
			dir := s.Fresh("pulled")
			var flags []string
			if s.bearer != "" {
				flags = []string{"--src-registry-token", s.bearer}
			}
			out := s.skopeoCopy("docker://"+ref.String(), "dir:"+dir, flags...)
			if out.Err != nil {
				return Pulled{}, out
			}
			manifest, err := os.ReadFile(filepath.Join(dir, "manifest.json")) //nolint:gosec // a folder of the session
			if err != nil {
				s.T.Fatalf("reading what skopeo pulled: %v", err)
			}
			return Pulled{Digest: fixture.Digest(manifest), Dir: dir}, out
		},
		Tags: func(s *Session, ref Ref) Output {
			return s.Run("skopeo", "list-tags", "--tls-verify=false", "docker://"+ref.Name())
		},
		Copy: func(s *Session, src, dst Ref) Output {
			return s.skopeoCopy("docker://"+src.String(), "docker://"+dst.String())
		},
		Delete: func(s *Session, ref Ref, _ string) Output {
			return s.Run("skopeo", "delete", "--tls-verify=false", "docker://"+ref.String())
		},
		// The library remembers, for all who run as root, where it has seen a blob.
		Remount:  func(s *Session, _, dst Ref, content string) Output { return skopeoPush(s, dst, content) },
		Cannot:   map[Operation]string{Catalog: noCatalog},
		UseToken: func(s *Session, token string) { s.bearer = token },
		Shows:    Screens{WrongPassword: "invalid username/password", Denied: true},
	}
}

func skopeoPush(s *Session, ref Ref, content string) Output {
	layout := fixture.Layout(s.T, s.Fresh("layout"), ref.Tag, content)
	return s.skopeoCopy("oci:"+layout+":"+ref.Tag, "docker://"+ref.String())
}

func (s *Session) skopeoCopy(src, dst string, flags ...string) Output {
	s.T.Helper()
	args := []string{"skopeo", "copy", "--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false"}
	return s.Run(append(append(args, flags...), src, dst)...)
}

func podman() Driver {
	return Driver{
		Name:  "podman",
		Tools: []string{"podman"},
		Login: func(s *Session, user, pass string) Output {
			return s.podmanStdin(pass, "login", "--tls-verify=false", "--username", user, "--password-stdin", s.Host)
		},
		Push: func(s *Session, ref Ref, content string) Output {
			rootfs := fixture.RootfsTar(s.T, s.Fresh("rootfs.tar"), content)
			if out := s.podman("import", rootfs, ref.String()); out.Err != nil {
				return out
			}
			return s.podman("push", "--tls-verify=false", ref.String())
		},
		Pull: func(s *Session, ref Ref, _ string) (Pulled, Output) {
			s.podman("image", "rm", "--force", ref.String())
			out := s.podman("pull", "--tls-verify=false", ref.String())
			if out.Err != nil {
				return Pulled{}, out
			}
			return Pulled{Digest: firstDigest(s.podman("image", "inspect", "--format", "{{.Digest}}", ref.String()).Stdout)}, out
		},
		Tags: func(s *Session, ref Ref) Output {
			return s.podman("search", "--tls-verify=false", "--list-tags", ref.Name())
		},
		Catalog: func(s *Session) Output {
			return s.podman("search", "--tls-verify=false", "--no-trunc", "--limit", "100", s.Host+"/")
		},
		Copy:    podmanCopy,
		Remount: again(podmanCopy),
		Cannot:  map[Operation]string{Delete: noDelete, Expired: noUseToken},
		Shows:   Screens{WrongPassword: "invalid username/password", Denied: true},
	}
}

func (s *Session) podman(args ...string) Output {
	s.T.Helper()
	return s.podmanStdin("", args...)
}

// podmanStdin keeps podman's store in the session.
func (s *Session) podmanStdin(stdin string, args ...string) Output {
	s.T.Helper()
	return s.RunWith(stdin, append(append([]string{"podman", "--cgroup-manager=cgroupfs", "--events-backend=none"}, s.store()...), args...)...)
}

// store says where podman and buildah keep images.
func (s *Session) store() []string {
	return []string{"--root", s.path("storage"), "--runroot", s.path("run", "storage"), "--storage-driver", "vfs"}
}

func buildah() Driver {
	return Driver{
		Name:  "buildah",
		Tools: []string{"buildah"},
		Login: func(s *Session, user, pass string) Output {
			return s.buildahStdin(pass, "login", "--tls-verify=false", "--username", user, "--password-stdin", s.Host)
		},
		Push: func(s *Session, ref Ref, content string) Output {
			if out := s.buildahBuild(ref, content); out.Err != nil {
				return out
			}
			return s.buildah("push", "--tls-verify=false", ref.String())
		},
		Pull: func(s *Session, ref Ref, _ string) (Pulled, Output) {
			s.buildah("rmi", "--force", ref.String())
			out := s.buildah("pull", "--tls-verify=false", ref.String())
			if out.Err != nil {
				return Pulled{}, out
			}
			inspect := s.buildah("inspect", "--type", "image", "--format", "{{.FromImageDigest}}", ref.String())
			return Pulled{Digest: firstDigest(inspect.Stdout)}, out
		},
		Copy:    buildahCopy,
		Remount: again(buildahCopy),
		Cannot: map[Operation]string{
			Delete: noDelete, Tags: noTags, Catalog: noCatalog, Expired: noUseToken,
		},
		Shows: Screens{WrongPassword: "invalid username/password", Denied: true},
	}
}

// buildahBuild builds an image of one file from nothing.
func (s *Session) buildahBuild(ref Ref, content string) Output {
	s.T.Helper()
	file := fixture.File(s.T, s.Fresh("content.txt"), content)
	from := s.buildah("from", "scratch")
	if from.Err != nil {
		return from
	}
	container := strings.TrimSpace(from.Stdout)
	if out := s.buildah("add", container, file, "/content.txt"); out.Err != nil {
		return out
	}
	return s.buildah("commit", "--rm", container, ref.String())
}

func (s *Session) buildah(args ...string) Output {
	s.T.Helper()
	return s.buildahStdin("", args...)
}

func (s *Session) buildahStdin(stdin string, args ...string) Output {
	s.T.Helper()
	return s.RunWith(stdin, append(append([]string{"buildah"}, s.store()...), args...)...)
}

func podmanCopy(s *Session, src, dst Ref) Output {
	if out := s.podman("tag", src.String(), dst.String()); out.Err != nil {
		return out
	}
	return s.podman("push", "--tls-verify=false", dst.String())
}

func buildahCopy(s *Session, src, dst Ref) Output {
	if out := s.buildah("tag", src.String(), dst.String()); out.Err != nil {
		return out
	}
	return s.buildah("push", "--tls-verify=false", dst.String())
}
