package api

import (
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// documentJSON returns the document as JSON. It is written in YAML, for people.
func documentJSON(text []byte) ([]byte, error) {
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return nil, fmt.Errorf("reading the API document: %w", err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("writing the API document as JSON: %w", err)
	}
	return b, nil
}
