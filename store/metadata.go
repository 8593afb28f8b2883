package store

import "encoding/json"

// Metadata is what a project is told by name, in Harbor's words. It is canonical JSON, so that two of the same content
// are equal; the zero value is nothing.
type Metadata string

// NewMetadata keeps the names with their values.
func NewMetadata(values map[string]string) Metadata {
	if len(values) == 0 {
		return ""
	}
	text, err := json.Marshal(values) // in the order of names
	if err != nil {
		return "" // texts always can be written
	}
	return Metadata(text)
}

// Map returns the names with their values. It is the caller's to change.
func (m Metadata) Map() map[string]string {
	values := map[string]string{}
	if m != "" {
		_ = json.Unmarshal([]byte(m), &values) // what NewMetadata wrote
	}
	return values
}

// With returns the metadata with one more name, or another value for it.
func (m Metadata) With(name, value string) Metadata {
	values := m.Map()
	values[name] = value
	return NewMetadata(values)
}
