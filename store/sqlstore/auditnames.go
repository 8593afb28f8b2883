package sqlstore

import "github.com/sealock/sealock/store"

// byName parts the trail of a project that had several names into one for each, from when it had the name.
func byName(f store.Filter) []store.Filter {
	formerly := f.Audit.Formerly
	f.Audit.Formerly = nil
	parts := []store.Filter{f}
	if formerly == nil {
		return parts
	}
	for _, name := range *formerly {
		part := f
		part.Audit.Project, part.Audit.Born = name.Name, name.Since
		parts = append(parts, part)
	}
	return parts
}
