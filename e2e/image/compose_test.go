package image_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sealock/sealock/e2e/internal/proc"
	"github.com/sealock/sealock/e2e/internal/sealock"
)

// compose is what the tests read of a Compose file, in the forms that the examples use.
type compose struct {
	Name     string             `yaml:"name"`
	Services map[string]service `yaml:"services"`
	Volumes  map[string]any     `yaml:"volumes"`
}

type service struct {
	Build       string                       `yaml:"build"`
	Image       string                       `yaml:"image"`
	Command     []string                     `yaml:"command"`
	Environment []string                     `yaml:"environment"`
	DependsOn   map[string]map[string]string `yaml:"depends_on"`
	Volumes     []string                     `yaml:"volumes"`
	Ports       []string                     `yaml:"ports"`
}

// checkCompose looks for what docker compose would stumble over, and lets sealock read its commands and settings.
func checkCompose(t *testing.T, path string) {
	t.Helper()
	var c compose
	readYAML(t, path, &c)
	if c.Name == "" || len(c.Services) == 0 {
		t.Errorf("%s: name %q and %d services, want a name and services", path, c.Name, len(c.Services))
	}
	for name, s := range c.Services {
		for other, condition := range s.DependsOn {
			if _, ok := c.Services[other]; !ok || condition["condition"] == "" {
				t.Errorf("%s: service %s depends on %q, which is no service or has no condition", path, name, other)
			}
		}
		mounts := s.mounts(t, path)
		for target, source := range mounts {
			if _, declared := c.Volumes[source]; !declared && !strings.HasPrefix(source, ".") {
				t.Errorf("%s: service %s mounts %q at %s, which is no volume", path, name, source, target)
			}
		}
		for _, port := range s.Ports {
			if parts := strings.Split(port, ":"); len(parts) != 3 || parts[0] != "127.0.0.1" {
				t.Errorf("%s: service %s publishes %q, want loopback only: it speaks HTTP without TLS", path, name, port)
			}
		}
		if s.Image == "sealock" {
			s.checkSealock(t, path, mounts)
		}
	}
}

// mounts maps what is mounted where. Files that are mounted must be there.
func (s service) mounts(t *testing.T, path string) map[string]string {
	t.Helper()
	mounts := map[string]string{}
	for _, volume := range s.Volumes {
		parts := strings.Split(interpolate(volume), ":")
		if len(parts) < 2 {
			t.Errorf("%s: volume %q has no target", path, volume)
			continue
		}
		mounts[parts[1]] = parts[0]
		if strings.HasPrefix(parts[0], ".") {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), parts[0])); err != nil {
				t.Errorf("%s: volume %q: %v", path, volume, err)
			}
		}
	}
	return mounts
}

// interpolate puts the defaults in the place of variables.
func interpolate(s string) string {
	return regexp.MustCompile(`\$\{\w+:-([^}]*)\}`).ReplaceAllString(s, "$1")
}

// checkSealock reads the command line and the settings of a sealock in a container.
func (s service) checkSealock(t *testing.T, path string, mounts map[string]string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), s.Build, "Dockerfile")); err != nil {
		t.Errorf("%s: build %q: %v", path, s.Build, err)
	}
	dir := proc.Dir(t)
	must(t, proc.Run(proc.Command{
		Args: append(append([]string{sealock.Binary(t)}, s.Command...), "--help"), Env: environment(dir), Dir: dir,
	}))
	for _, pair := range s.Environment {
		file, isConfig := strings.CutPrefix(pair, "SEALOCK_CONFIG=")
		if !isConfig {
			continue
		}
		if source, ok := mounts[file]; ok {
			checkSettings(t, filepath.Join(filepath.Dir(path), source))
		} else {
			t.Errorf("%s: %q is not mounted", path, file)
		}
	}
}
