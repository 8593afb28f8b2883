package main

// openFactors puts together what people prove who they are with besides a password.
func (s *system) openFactors() (err error) {
	var origins []string
	for _, origin := range s.origins.List() {
		origins = append(origins, origin.String())
	}
	s.factors, err = s.service.SecondFactors(s.seal, origins)
	return err
}
