package main

import "github.com/sealock/sealock/web"

// openFactors puts together what people prove who they are with besides a password.
func (s *system) openFactors() (err error) {
	var origins []string
	for _, origin := range s.origins.List() {
		origins = append(origins, origin.String())
	}
	s.factors, err = s.service.SecondFactors(s.box, origins)
	return err
}

// secondFactor are the pages for it.
func (s *system) secondFactor() web.SecondFactor {
	return web.SecondFactor{Factors: s.factors, Holders: s.holders}
}
