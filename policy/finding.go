package policy

import (
	"fmt"

	"github.com/sealock/sealock/internal/errs"
)

// Finding is a fault in a policy, or a doubt about it.
type Finding struct {
	File    string // name of the file, without its folder
	Line    int    // from 1; 0 for the file as a whole
	What    string // what is wrong
	Remedy  string // what to do about it
	Warning bool   // the policy can be loaded all the same
}

// At returns where the finding is: "policy.csv:14".
func (f Finding) At() string { return place(f.File, f.Line) }

// String returns the finding in one line, "file:line: what: remedy".
func (f Finding) String() string {
	what := f.What
	if f.Warning {
		what = "warning: " + what
	}
	return f.At() + ": " + what + ": " + f.Remedy
}

func place(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// faults returns the findings that keep a policy from being loaded.
func faults(findings []Finding) []Finding {
	var out []Finding
	for _, f := range findings {
		if !f.Warning {
			out = append(out, f)
		}
	}
	return out
}

// refusal makes an error of the first of faults.
func refusal(faults []Finding) error {
	f := faults[0]
	more := ""
	if n := len(faults) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return errs.New(errs.Invalid, "%s: %s%s", f.At(), f.What, more).WithHint("%s", f.Remedy)
}
