package api

import (
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// documentJSON returns the document as JSON. It is written in YAML, for people. Few ask for it, and it takes as long as
// half of a start.
func documentJSON() ([]byte, error) {
	var v any
	if err := yaml.Unmarshal(document, &v); err != nil {
		return nil, fmt.Errorf("reading the API document: %w", err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("writing the API document as JSON: %w", err)
	}
	return b, nil
}
