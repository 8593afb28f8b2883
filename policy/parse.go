package policy

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// fieldLine is a line of a policy file that is neither empty nor a comment.
type fieldLine struct {
	number int // from 1
	fields []string
}

// parseLines splits a policy file into lines of fields. A line is all that a field can span, so that a quote left open
// spoils its own line only, and numbers are those that an editor shows.
func parseLines(file string, data []byte) ([]fieldLine, []Finding) {
	var lines []fieldLine
	var findings []Finding
	number := 0
	for raw := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		number++
		text := strings.TrimSpace(string(raw))
		if text == "" || text[0] == '#' {
			continue
		}
		fields, fault := splitFields(text)
		if fault.what != "" {
			findings = append(findings, Finding{File: file, Line: number, What: fault.what, Remedy: fault.remedy})
			continue
		}
		lines = append(lines, fieldLine{number: number, fields: fields})
	}
	return lines, findings
}

// fault is what is wrong with a line or a field, and what to do about it.
type fault struct{ what, remedy string }

// splitFields splits a line at its commas. A field that holds a comma or a quote stands in double quotes, with each
// quote in it doubled, as in any CSV file.
func splitFields(line string) ([]string, fault) {
	if f := checkText(line); f.what != "" {
		return nil, f
	}
	var fields []string
	for {
		field, rest, more, f := nextField(line)
		if f.what != "" {
			return nil, f
		}
		fields = append(fields, field)
		if !more {
			return fields, fault{}
		}
		line = rest
	}
}

// checkText refuses what an editor would not show.
func checkText(line string) fault {
	if !utf8.ValidString(line) {
		return fault{"the line is not UTF-8", "save the file as UTF-8"}
	}
	for _, r := range line {
		if r != '\t' && !unicode.IsPrint(r) {
			return fault{fmt.Sprintf("the line holds the invisible character %U", r), "delete it, and type the line anew if you can't see it"}
		}
	}
	return fault{}
}

// nextField cuts the first field from a line, and reports whether a comma follows.
func nextField(line string) (field, rest string, more bool, f fault) {
	line = strings.TrimLeft(line, " \t")
	if !strings.HasPrefix(line, `"`) {
		field, rest, more = strings.Cut(line, ",")
		if strings.Contains(field, `"`) {
			return "", "", false, fault{"a quote stands inside of a field", `put the whole field in quotes and double the quotes in it: "a""b"`}
		}
		return strings.TrimRight(field, " \t"), rest, more, fault{}
	}
	field, rest, closed := quoted(line[1:])
	if !closed {
		return "", "", false, fault{"a quoted field is not closed", `end it with a double quote on the same line`}
	}
	rest = strings.TrimLeft(rest, " \t")
	if rest == "" {
		return field, "", false, fault{}
	}
	if rest[0] != ',' {
		return "", "", false, fault{"text follows a quoted field", "put a comma after the closing quote; comments have lines of their own"}
	}
	return field, rest[1:], true, fault{}
}

// quoted reads up to the closing quote. A doubled quote stands for one.
func quoted(s string) (field, rest string, closed bool) {
	var b strings.Builder
	for {
		part, after, ok := strings.Cut(s, `"`)
		if !ok {
			return "", "", false
		}
		b.WriteString(part)
		if !strings.HasPrefix(after, `"`) {
			return b.String(), after, true
		}
		b.WriteByte('"')
		s = after[1:]
	}
}
