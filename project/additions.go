package project

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/store"
)

// Addition is something that is told of an artifact besides what the index keeps.
type Addition struct {
	ContentType string
	Content     []byte
}

// Content types of additions, as Harbor sends them.
const (
	jsonText     = "application/json; charset=utf-8"
	markdownText = "text/markdown; charset=utf-8"
	plainText    = "text/plain; charset=utf-8"
)

// Bounds of what is read for an addition.
const (
	maxConfigRead = 4 << 20
	maxChartRead  = 16 << 20 // packed
	maxUnpacked   = 64 << 20
	maxChartFiles = 10000
	maxFileRead   = 1 << 20
)

// AdditionsOf lists the names of an artifact's additions.
func AdditionsOf(a store.Artifact) []string {
	switch {
	case len(a.Children) > 0:
		return nil
	case a.Kind == "IMAGE":
		return []string{"build_history"}
	case a.Kind == "CHART":
		return []string{"values.yaml", "readme.md", "dependencies", "files"}
	case a.Kind == "CNAI":
		return []string{"files"}
	}
	return nil
}

// Addition returns an addition by its name. NotFound: the artifact lacks it. Invalid: such artifacts never have it.
func (s *Service) Addition(ctx context.Context, c Caller, ref ArtifactRef, name string) (Addition, error) {
	at, a, err := s.openArtifact(ctx, c, ref, "artifact-addition", "read", "see more of artifacts of repository")
	if err != nil {
		return Addition{}, err
	}
	name = strings.ToLower(name)
	if name == "vulnerabilities" || name == "sbom" {
		return Addition{}, errs.New(errs.NotFound, "no scanner is configured for project %s", strconv.Quote(at.project.Name)).WithHint("scan with a client, such as trivy")
	}
	has := AdditionsOf(a)
	if !slices.Contains(has, name) {
		hint := "artifacts of this type have none"
		if len(has) > 0 {
			hint = "there are " + strings.Join(has, ", ")
		}
		return Addition{}, errs.New(errs.Invalid, "the addition %s is not supported for type %s", clip(name), a.Kind).WithHint("%s", hint)
	}
	if err := s.changeable(); err != nil {
		return Addition{}, err
	}
	return s.addition(ctx, a, name)
}

func (s *Service) addition(ctx context.Context, a store.Artifact, name string) (Addition, error) {
	_, body, err := s.registry.Manifest(ctx, a.RepositoryName, a.Digest)
	if err != nil {
		return Addition{}, err
	}
	var text manifestText
	if err := json.Unmarshal(body, &text); err != nil {
		return Addition{}, unreadable(a, err)
	}
	switch {
	case name == "build_history":
		return s.fromConfig(ctx, a, text, "history")
	case name == "dependencies":
		return s.fromConfig(ctx, a, text, "dependencies")
	case name == "files" && a.Kind == "CNAI":
		return modelFiles(text)
	}
	layer := slices.IndexFunc(text.Layers, func(p descriptor) bool { return strings.HasSuffix(p.MediaType, "tar+gzip") })
	if layer < 0 {
		return Addition{}, unreadable(a, errors.New("it has no layer that is a tar.gz"))
	}
	packed, err := s.registry.Blob(ctx, a.RepositoryName, text.Layers[layer].Digest, maxChartRead)
	if err != nil {
		return Addition{}, err
	}
	chart, err := readChart(packed)
	if err != nil {
		return Addition{}, unreadable(a, err)
	}
	return chart.addition(a, name)
}

func unreadable(a store.Artifact, err error) error {
	return errs.New(errs.Invalid, "artifact %s can't be read", a.Digest).WithHint("pull it and look at it with a client").Because(err)
}

// fromConfig returns a list that stands in the config; one that is missing is empty.
func (s *Service) fromConfig(ctx context.Context, a store.Artifact, text manifestText, field string) (Addition, error) {
	list := json.RawMessage("[]")
	if text.Config != nil {
		config, err := s.registry.Blob(ctx, a.RepositoryName, text.Config.Digest, maxConfigRead)
		if err != nil {
			return Addition{}, err
		}
		var all map[string]json.RawMessage
		if err := json.Unmarshal(config, &all); err != nil {
			return Addition{}, unreadable(a, err)
		}
		if v := bytes.TrimSpace(all[field]); len(v) > 0 && v[0] == '[' {
			list = v
		}
	}
	return Addition{jsonText, list}, nil
}

// file is one of an artifact's, as Harbor lists them.
type file struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size"`
}

// modelFiles lists the files of a model (CNCF ModelPack): each is a layer, which says its path.
func modelFiles(text manifestText) (Addition, error) {
	files := []file{}
	for _, p := range text.Layers {
		said := notes(p.Annotations, maxChildNotes)
		name := firstOf(said["org.cncf.model.filepath"], said["org.cnai.model.filepath"])
		if name != "" {
			files = append(files, file{name, "file", p.Size})
		}
	}
	list, err := json.Marshal(files)
	return Addition{jsonText, list}, err
}

// chart is what is read of a Helm chart.
type chart struct {
	files          []file
	readme, values []byte // nil where there is none
}

func (c chart) addition(a store.Artifact, name string) (Addition, error) {
	add := Addition{plainText, c.values}
	switch name {
	case "files":
		list, err := json.Marshal(c.files)
		return Addition{jsonText, list}, err
	case "readme.md":
		add = Addition{markdownText, c.readme}
	}
	if add.Content == nil {
		return Addition{}, errs.New(errs.NotFound, "chart %s has no %s", a.Digest, name).WithHint("package it with one")
	}
	return add, nil
}

// readChart reads a chart's package. Nothing is unpacked to a disk, and a package that is larger than a chart has reason to
// be is an error: it may be made to fill a memory.
func readChart(packed []byte) (chart, error) {
	c := chart{files: []file{}}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return c, err
	}
	limited := &io.LimitedReader{R: unpacked, N: maxUnpacked}
	archive := tar.NewReader(limited)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) && limited.N > 0 {
			return c, nil
		}
		if err != nil {
			return c, err
		}
		if len(c.files) == maxChartFiles {
			return c, errors.New("it has too many files")
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		name := path.Clean(strings.ToValidUTF8(h.Name, "\uFFFD"))
		c.files = append(c.files, file{name, "file", h.Size})
		if err := c.keep(name, archive); err != nil {
			return c, err
		}
	}
}

// keep reads a file of the chart's own folder, not of the charts within it.
func (c *chart) keep(name string, r io.Reader) error {
	_, base, _ := strings.Cut(name, "/")
	var into *[]byte
	switch {
	case strings.EqualFold(base, "readme.md"):
		into = &c.readme
	case base == "values.yaml":
		into = &c.values
	default:
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(r, maxFileRead+1))
	if err != nil {
		return err
	}
	if len(text) > maxFileRead {
		return errors.New(name + " is too long")
	}
	*into = text
	return nil
}
