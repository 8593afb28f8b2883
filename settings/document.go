package settings

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

//go:generate go test . -run TestGeneratedFilesAreCurrent -update

// Markdown renders all settings as docs/config.md, so that the page can't say anything else than the program does.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# Settings

Every setting has a default: ` + "`sealock serve`" + ` needs none. Settings are read from the file given by ` + "`--config`" + ` (or
` + "`SEALOCK_CONFIG`" + `), then from the environment, then from flags; the later one wins. Lists in the environment are parted by
commas. ` + "`sealock check`" + ` reads them without starting anything and prints every fault at once. Unknown keys are faults.

This page is made from the program (` + "`make generate`" + `).

| key | environment | default | meaning |
|---|---|---|---|
`)
	for _, s := range List() {
		env := ""
		if name := s.Env(); name != "" {
			env = "`" + name + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Key, env, inTable(s.Default), s.Doc)
	}
	b.WriteString("\nA file with every key at its default: [examples/config.full.yaml](../examples/config.full.yaml).\n")
	return b.String()
}

func inTable(v any) string {
	if text := inYAML(v); text != `""` && text != "[]" && text != "{}" {
		return "`" + text + "`"
	}
	return ""
}

// YAML renders all settings at their defaults as examples/config.full.yaml.
func YAML() string {
	var b strings.Builder
	b.WriteString("# Every setting of sealock at its default. Keep the lines that you change; 'sealock check' reads the rest.\n")
	var open []string // the groups that the last line is in
	for _, s := range List() {
		path := strings.Split(s.Key, ".")
		groups, name := path[:len(path)-1], path[len(path)-1]
		for depth, group := range groups {
			if slices.Equal(groups[:depth+1], open[:min(depth+1, len(open))]) {
				continue
			}
			if depth == 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "%s%s:\n", strings.Repeat("  ", depth), group)
		}
		open = groups
		indent := strings.Repeat("  ", len(groups))
		fmt.Fprintf(&b, "%s# %s\n%s%s: %s\n", indent, s.Doc, indent, name, inYAML(s.Default))
	}
	return b.String()
}

// inYAML renders a default. Types with a text form of their own are strings in the file.
func inYAML(v any) string {
	if d, ok := v.(time.Duration); ok {
		return short(d)
	}
	switch rv := reflect.ValueOf(v); rv.Kind() { //nolint:exhaustive // a setting of another kind has a zero default
	case reflect.Int:
		return fmt.Sprint(rv.Int())
	case reflect.Bool:
		return fmt.Sprint(rv.Bool())
	case reflect.Slice:
		return "[]"
	case reflect.Map:
		return "{}"
	case reflect.String:
		if rv.String() != "" {
			return rv.String()
		}
	}
	return `""`
}

// short drops the zero minutes and seconds that Duration prints.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
