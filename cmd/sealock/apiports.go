package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/sealock/sealock/api"
	"github.com/sealock/sealock/policy"
	"github.com/sealock/sealock/store/oidc"
)

// newAPI puts the REST API together.
func (s *system) newAPI(sessions api.Sessions) http.Handler {
	service := s.service
	if s.gate != nil {
		service = service.WithContents(s.gate)
	}
	if s.reindexer != nil {
		service = service.WithReindexer(s.reindexer).WithRegistry(s.inside, s.indexer)
	}
	return api.New(api.Deps{
		Service:      service,
		Audit:        s.store,
		Keys:         s.ring,
		Policy:       policyAdmin{s.policy, membership{s.directory}, s.holders, s.store, s.existing},
		History:      s.store,
		Health:       healthCheck{s},
		ProviderPing: oidc.Ping,
		Info:         s.info(),
		Decider:      s.policy,
		Recorder:     s.trail,
		Words:        policyWords(),
		Authn:        s.authn,
		Verifier:     s.tokens,
		Holders:      s.holders,
		Sessions:     sessions,
		Errors:       s.errors,
		Origins:      s.origins,
		Proxies:      s.trusted,
		Now:          time.Now,

		Configuration: s.runtime,
		Volumes:       func() (api.Volume, error) { return volumeOf(s.cfg.DataDir) },
	})
}

// checkPolicyText is what 'sealock policy check FILE' and 'sealock check' run without a server.
func checkPolicyText(_ context.Context, model, rules string) ([]policyFinding, error) {
	found := policy.CheckText(policy.Text{Model: model, Rules: rules})
	list := make([]policyFinding, len(found))
	for i, f := range found {
		list[i] = policyFinding{Severity: "error", File: "policy", Line: f.Line, Message: f.What, Hint: f.Remedy}
		if f.Warning {
			list[i].Severity = "warning"
		}
		if f.File == policy.ModelFile {
			list[i].File = "model"
		}
	}
	return list, nil
}

// healthCheck asks the parts that can fail by themselves.
type healthCheck struct{ s *system }

// healthTimeout bounds how long a part may take to say that it is well.
const healthTimeout = 3 * time.Second

func (h healthCheck) Health(ctx context.Context) []api.Component {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	components := []api.Component{{Name: "core", Healthy: true}, {Name: "database", Healthy: h.well("database", h.s.store.Ping(ctx))}}
	if h.s.registry != nil {
		components = append(components, h.registries(ctx)...)
	}
	if h.s.acme != nil {
		components = append(components, api.Component{Name: "certificates", Healthy: true, Waits: strings.Join(h.s.acme.Waiting(time.Now()), "; ")})
	}
	return components
}

// well logs what ails a part: the answer to the client does not tell.
func (h healthCheck) well(part string, err error) bool {
	if err != nil {
		h.s.log.Warn("component is not healthy", "component", part, "error", err)
	}
	return err == nil
}
