package main

import (
	"testing"

	"github.com/dustin/go-humanize"
)

func TestParseSize(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{
		"1": 1, "500MiB": 500 << 20, "500 mib": 500 << 20, "10GB": 10_000_000_000, "10GiB": 10 << 30, "10g": 10_000_000_000, "1.5TiB": 3 << 39,
		"1024PiB": 1 << 60, "unlimited": -1, "Unlimited": -1, "-1": -1,
	} {
		if got, err := parseSize(in); err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "0", "0.1", "0GB", "-2", "-1GB", "+5", "1,5GB", "1e3", "GB", "ten", "10XB", "10GB 5", "8EiB", "99999999999999999999", "NaN", "Inf", "0x10"} {
		if got, err := parseSize(in); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", in, got)
		}
	}
}

// FuzzParseSize wants a number that can be a limit, or an error; and what is shown of it to be read as much again, but for
// what is rounded.
func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"500MiB", "10GB", "1.5TiB", "unlimited", "-1", "0", "1,5GB", "9223372036854775807", "16EiB", "٣GB", "1.2.3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseSize(s)
		switch {
		case err != nil && n != 0:
			t.Errorf("parseSize(%q) = %d, %v, want no number with an error", s, n, err)
		case err == nil && n < 1 && n != -1:
			t.Errorf("parseSize(%q) = %d, want 1 or more, or -1", s, n)
		case err == nil && n > 0:
			back, err := humanize.ParseBytes(sizeText(n))
			if ratio := float64(back) / float64(n); err != nil || ratio < 0.94 || ratio > 1.06 {
				t.Errorf("parseSize(%q) is shown as %q, which is %d, %v, want %d", s, sizeText(n), back, err, n)
			}
		}
	})
}
