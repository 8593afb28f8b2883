package web

import "context"

// welcome is what a browser sees at the root: what this is, and what to type.
func (p *Portal) welcome(context.Context, *Visit) (Answer, error) {
	return Answer{Page: "welcome", Data: struct{ CA bool }{p.HasCA}}, nil
}
