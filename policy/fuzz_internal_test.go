package policy

import (
	"net/netip"
	"testing"
	"time"
)

// FuzzCondition wants that what is read can be held against any moment, and that a rule that denies never counts for less
// where the address is not known.
func FuzzCondition(f *testing.F) {
	for _, text := range []string{
		"from=10.0.0.0/8", "from=::ffff:10.0.0.0/104|2001:db8::/32", "days=mon-fri time=22:00-06:00 zone=Europe/Berlin", "days=sat|sun", "time=00:00-24:00", "zone=Local", "from=", "a=b",
	} {
		f.Add(text, int64(1_900_000_000), "10.1.2.3")
	}
	f.Fuzz(func(t *testing.T, text string, unix int64, from string) {
		c, fault := parseCondition(text)
		if fault.what != "" {
			if fault.remedy == "" {
				t.Errorf("parseCondition(%q) finds %q, without a remedy", text, fault.what)
			}
			return
		}
		at := moment{now: time.Unix(unix%(1<<33), 0)}
		unknown := c.holds(at, false)
		at.addr, _ = netip.ParseAddr(from)
		if known := c.holds(at, false); known && !unknown {
			t.Errorf("%q denies what comes from %q, and not what comes from nowhere", text, from)
		}
		if c.holds(at, true) && !c.holds(at, false) {
			t.Errorf("%q allows at a moment at which it would not deny", text)
		}
	})
}

// FuzzCases wants that a table is refused or can be run, and that each of its questions is answered.
func FuzzCases(f *testing.F) {
	f.Add("projects: {team: {members: {alice: developer}}}\ngroups: {ops: [bob]}\nallow:\n- alice push team/app:v1\ndeny:\n- bob list user\n")
	f.Add("allow: [a pull b/c from ::1 at 2030-01-07T09:00:00Z]")
	d, _, err := NewDraft(DefaultText())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCases([]byte(text))
		if err != nil {
			return
		}
		results, err := c.Run(t.Context(), d, time.Unix(1_900_000_000, 0))
		if err == nil && len(results) < len(c.Allow)+len(c.Deny) {
			t.Errorf("%q has %d questions and %d answers", text, len(c.Allow)+len(c.Deny), len(results))
		}
	})
}
