package project

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
)

// tarGz makes a tar.gz of files of so many bytes each.
func tarGz(t testing.TB, sizes map[string]int64) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	archive := tar.NewWriter(zip)
	for name, size := range sizes {
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(archive, zeros{}, size); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestReadChart holds that nothing larger than a chart has reason to be is read.
func TestReadChart(t *testing.T) {
	many := map[string]int64{}
	for i := range maxChartFiles + 1 {
		many["app/"+strings.Repeat("x", i%50)+itoa(int64(i))] = 0
	}
	for what, tt := range map[string]struct {
		packed []byte
		ok     bool
	}{
		"a chart":          {tarGz(t, map[string]int64{"app/values.yaml": 10, "app/charts/x/values.yaml": maxFileRead + 1}), true},
		"a long file":      {tarGz(t, map[string]int64{"app/values.yaml": maxFileRead + 1}), false},
		"a bomb":           {tarGz(t, map[string]int64{"app/zeros": maxUnpacked + 1}), false},
		"a bomb that fits": {tarGz(t, map[string]int64{"app/zeros": maxUnpacked - 1<<20}), true},
		"too many files":   {tarGz(t, many), false},
		"no gzip":          {[]byte("text"), false},
		"half a gzip":      {tarGz(t, map[string]int64{"app/values.yaml": 1 << 19})[:40], false},
	} {
		c, err := readChart(tt.packed)
		if (err == nil) != tt.ok {
			t.Errorf("readChart(%s) = %v, want ok = %v", what, err, tt.ok)
		}
		if what == "a chart" && len(c.values) != 10 {
			t.Errorf("readChart(%s): values.yaml has %d bytes, want the chart's own of 10", what, len(c.values))
		}
	}
}

func FuzzReadChart(f *testing.F) {
	f.Add(tarGz(f, map[string]int64{"app/values.yaml": 10, "app/README.md": 3}))
	f.Add([]byte("text"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := readChart(b)
		if err == nil && (len(c.files) > maxChartFiles || len(c.values) > maxFileRead || len(c.readme) > maxFileRead) {
			t.Errorf("readChart(%x) = %d files, %d and %d bytes, want the bounds to hold", b, len(c.files), len(c.values), len(c.readme))
		}
	})
}

func FuzzParseArtifact(f *testing.F) {
	for _, s := range []string{"team/app:v1", "team/app@sha256:00", "a/b/c:1", "app:v1", ":", "@", "a/b@c", "a/b:c@d:e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := ParseArtifact(s)
		if err != nil {
			return
		}
		if got := ref.Project.Name + "/" + ref.Name + separator(ref.Reference) + ref.Reference; got != s || ref.Project.Name == "" || ref.Name == "" || ref.Reference == "" {
			t.Errorf("ParseArtifact(%q) = %+v, want its parts", s, ref)
		}
	})
}
