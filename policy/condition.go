package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// moment is from where and when something is asked: what conditions are held against.
type moment struct {
	addr netip.Addr // invalid: not known
	now  time.Time
}

// condition is the last field of a rule: from where and when it counts. The zero value counts always.
type condition struct {
	networks []netip.Prefix
	days     [7]bool // by time.Weekday
	anyDay   bool
	spans    []span // none: at any hour
	zone     *time.Location
}

// span is a part of the day, in minutes from midnight. One that ends before it begins goes on past midnight.
type span struct{ from, to int }

const conditionRemedy = "write from=10.0.0.0/8|192.0.2.7, days=mon-fri|sun, time=08:00-18:00, zone=Europe/Berlin, parted by spaces"

// parseCondition reads a condition. All of its terms must hold; of the values of a term, one.
func parseCondition(text string) (condition, fault) {
	c := condition{anyDay: true, zone: time.UTC}
	seen := map[string]bool{}
	for term := range strings.FieldsSeq(text) {
		name, list, ok := strings.Cut(term, "=")
		if !ok || list == "" {
			return condition{}, fault{quote("the condition %q is not name=value", term), conditionRemedy}
		}
		if seen[name] {
			return condition{}, fault{quote("the condition %q stands twice", name), "join its values with |"}
		}
		seen[name] = true
		if what := c.read(name, strings.Split(list, "|")); what != "" {
			return condition{}, fault{what, conditionRemedy}
		}
	}
	if seen["zone"] && !seen["days"] && !seen["time"] {
		return condition{}, fault{"a zone alone says nothing", conditionRemedy}
	}
	return c, fault{}
}

// read takes one term and returns what is wrong with it.
func (c *condition) read(name string, values []string) string {
	for _, v := range values {
		ok := false
		switch name {
		case "from":
			ok = c.readNetwork(v)
		case "days":
			c.anyDay = false
			ok = c.readDays(v)
		case "time":
			ok = c.readSpan(v)
		case "zone":
			ok = c.readZone(v, len(values))
		default:
			return quote("there is no condition %q", name)
		}
		if !ok {
			return fmt.Sprintf("the condition %s can't be %q", name, v)
		}
	}
	return ""
}

func (c *condition) readNetwork(s string) bool {
	p, err := netip.ParsePrefix(s)
	if p.Addr().Is4In6() && p.Bits() >= mappedBits { // askers' addresses are unmapped, too
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
	}
	if addr, addrErr := netip.ParseAddr(s); addrErr == nil {
		p, err = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	if err != nil {
		return false
	}
	c.networks = append(c.networks, p.Masked())
	return true
}

// mappedBits is how many bits come before an IPv4 address that is written as an IPv6 one.
const mappedBits = 96

func (c *condition) readDays(s string) bool {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	first, last := weekday(from), weekday(to)
	if first < 0 || last < 0 {
		return false
	}
	for d := first; ; d = (d + 1) % 7 {
		c.days[d] = true
		if d == last {
			return true
		}
	}
}

// weekday returns the number of a day, or -1.
func weekday(s string) int {
	return slices.Index([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, strings.ToLower(s))
}

func (c *condition) readSpan(s string) bool {
	from, to, ok := strings.Cut(s, "-")
	start, err1 := time.Parse("15:04", from)
	end, err2 := time.Parse("15:04", strings.Replace(to, "24:00", "00:00", 1))
	if !ok || err1 != nil || err2 != nil || start.Equal(end) && to != "24:00" {
		return false
	}
	c.spans = append(c.spans, span{minutes(start), minutes(end)})
	return true
}

func minutes(t time.Time) int { return t.Hour()*60 + t.Minute() }

func (c *condition) readZone(s string, of int) bool {
	zone, err := time.LoadLocation(s)
	if err != nil || of != 1 || s == "Local" {
		return false
	}
	c.zone = zone
	return true
}

// holds reports whether the condition is met. What can't be known counts against whoever asks: an allowance does not
// hold, a denial does.
func (c *condition) holds(m moment, allow bool) bool {
	if c == nil {
		return true
	}
	if len(c.networks) > 0 {
		if !m.addr.IsValid() {
			return !allow
		}
		if !slices.ContainsFunc(c.networks, func(p netip.Prefix) bool { return p.Contains(m.addr) }) {
			return false
		}
	}
	return c.inTime(m.now.In(c.zone))
}

// inTime reports whether a time is one of the condition's. What began yesterday belongs to yesterday.
func (c *condition) inTime(t time.Time) bool {
	today, yesterday := int(t.Weekday()), (int(t.Weekday())+6)%7
	if len(c.spans) == 0 {
		return c.on(today)
	}
	now := minutes(t)
	return slices.ContainsFunc(c.spans, func(s span) bool {
		switch {
		case s.from < s.to:
			return c.on(today) && now >= s.from && now < s.to
		case now >= s.from:
			return c.on(today)
		default:
			return now < s.to && c.on(yesterday)
		}
	})
}

func (c *condition) on(day int) bool { return c.anyDay || c.days[day] }
