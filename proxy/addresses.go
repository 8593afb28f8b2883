package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// Health says how the addresses of a registry are looked after.
type Health struct {
	Every   time.Duration // how often each is asked; 0: never
	Timeout time.Duration // how long it may take to answer
}

// Bounds of trying again, and of asking addresses that are not well.
const (
	mostTries   = 3
	tryAgainFor = 5 * time.Second
	tryPause    = 50 * time.Millisecond

	sickPause   = time.Second // between questions to an address that is not well
	badAnswers  = 2           // so many in a row, and an address is left out
	dialPatient = 5 * time.Second
	dialSick    = time.Second // to an address that took no connection the last time
)

// condition is how an address is.
type condition int32

const (
	well     condition = iota
	refusing           // it takes no connection; to try costs nothing
	failing            // it takes requests and does not answer them well: only a good answer to the health check counts
)

// String returns what logs say.
func (c condition) String() string {
	return [...]string{"well", "takes no connections", "does not answer well"}[c]
}

// places is a set of addresses.
type places uint64

// mostAddresses is how many a registry may have.
const mostAddresses = 64

// address is one of the places where a registry is reached.
type address struct {
	base  *url.URL
	place places
	is    atomic.Int32
	sick  chan struct{} // wakes the health check
	fails int           // of its health check, in a row
}

func (a *address) condition() condition { return condition(a.is.Load()) }

// addresses are the places where one registry is reached: replicas with the same storage. It sends a request to one of them, in
// turn, and leaves out those that are not well. It implements [http.RoundTripper].
type addresses struct {
	name      string // of the registry
	list      []*address
	turn      atomic.Uint32
	transport *http.Transport
	health    Health
	minter    auth.Minter // nil: it is asked without a token, of which registries complain in their logs
	log       *slog.Logger
}

// RoundTrip implements http.RoundTripper. What may be sent twice is sent again when no answer came, to another address where
// there is one; all else is sent once.
func (a *addresses) RoundTrip(req *http.Request) (*http.Response, error) {
	most := 1
	if safe(req) {
		most = mostTries
	}
	var tried places
	for n, start := 1, time.Now(); ; n++ {
		to := a.pick(tried)
		if to == nil {
			closeBody(req)
			return nil, a.errAllDown()
		}
		again := tried&to.place != 0
		tried |= to.place
		if again && !pause(req.Context(), time.Duration(n)*tryPause) {
			return nil, req.Context().Err()
		}
		resp, err := a.send(to, req)
		last := n == most || req.Context().Err() != nil || time.Since(start) > tryAgainFor
		switch {
		case err == nil && (last || !overloaded(resp.StatusCode) || !a.another(tried)):
			return resp, nil
		case err == nil:
			discard(resp)
		case last:
			return nil, err
		}
	}
}

// safe reports whether a request may be sent twice: it changes nothing, and brings nothing that is read once.
func safe(req *http.Request) bool {
	return (req.Method == http.MethodGet || req.Method == http.MethodHead) && (req.Body == nil || req.Body == http.NoBody)
}

// overloaded reports whether another address could do better.
func overloaded(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// pick returns the next address in turn: one that is well and was not tried, then one that is well, then one that can be tried
// at no cost; nil for none.
func (a *addresses) pick(tried places) *address {
	n := int(a.turn.Add(1) - 1)
	var best *address
	cost := int(failing) * 2
	for i := range a.list {
		to := a.list[(n+i)%len(a.list)]
		c := int(to.condition()) * 2
		if tried&to.place != 0 {
			c++
		}
		if c < cost {
			best, cost = to, c
		}
	}
	return best
}

// another reports whether there is an address that is well and was not tried.
func (a *addresses) another(tried places) bool {
	for _, to := range a.list {
		if tried&to.place == 0 && to.condition() == well {
			return true
		}
	}
	return false
}

func (a *addresses) send(to *address, req *http.Request) (*http.Response, error) {
	out, u := *req, *req.URL
	u.Scheme, u.Host = to.base.Scheme, to.base.Host
	out.URL = &u
	resp, err := a.transport.RoundTrip(&out)
	switch {
	case err == nil && to.condition() == refusing:
		a.mark(to, well, nil)
	case err != nil && unreachable(err) && req.Context().Err() == nil:
		a.mark(to, refusing, err)
	}
	return resp, err
}

// unreachable reports whether an error says that no connection could be made.
func unreachable(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "dial"
}

// mark notes how an address is, and tells when that is news.
func (a *addresses) mark(to *address, now condition, cause error) {
	before := condition(to.is.Swap(int32(now)))
	if before == now {
		return
	}
	log := a.log.With("registry", a.title(), "address", to.base.String())
	if now == well {
		log.Info("an address of a registry is well again")
		return
	}
	log.Warn("an address of a registry is left out", "because", now.String(), "error", cause)
	select {
	case to.sick <- struct{}{}:
	default:
	}
}

func (a *addresses) title() string {
	if a.name == "" {
		return "default"
	}
	return a.name
}

// count returns how many addresses are well, and how many there are.
func (a *addresses) count() (ok, all int) {
	for _, to := range a.list {
		if to.condition() == well {
			ok++
		}
	}
	return ok, len(a.list)
}

func (a *addresses) errAllDown() error {
	e := errUnanswered(a.name).Because(errors.New("none of its addresses is well"))
	e.After = 2 * sickPause
	return e
}

// errUnanswered says that a registry gives no answer.
func errUnanswered(name string) *errs.Error {
	e := errs.New(errs.Unavailable, "the registry behind sealock does not answer")
	if name != "" {
		e = errs.New(errs.Unavailable, "the registry %q behind sealock does not answer", name)
	}
	return e.WithHint("try again in a moment; if it stays, its administrator finds the cause in the log")
}

// run asks each address how it is until ctx ends, and has ended itself when it returns.
func (a *addresses) run(ctx context.Context) {
	if a.health.Every <= 0 {
		return
	}
	var wg sync.WaitGroup
	for _, to := range a.list {
		wg.Go(func() { a.watch(ctx, to) })
	}
	wg.Wait()
}

func (a *addresses) watch(ctx context.Context, to *address) {
	for {
		every := a.health.Every
		if to.condition() != well || to.fails > 0 {
			every = min(every, sickPause)
		}
		timer := time.NewTimer(jitter(every))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-to.sick: // the pause is a shorter one now
			timer.Stop()
			continue
		case <-timer.C:
		}
		a.check(ctx, to)
	}
}

// jitter keeps many sealocks from asking at the same moment.
func jitter(d time.Duration) time.Duration {
	return d*4/5 + rand.N(d*2/5+1) //nolint:gosec // nobody gains from guessing it
}

// check asks an address whether there is a registry that answers.
func (a *addresses) check(ctx context.Context, to *address) {
	err := a.ask(ctx, to)
	switch {
	case ctx.Err() != nil:
	case err == nil:
		to.fails = 0
		a.mark(to, well, nil)
	case unreachable(err):
		a.mark(to, refusing, err)
	default:
		if to.fails++; to.fails >= badAnswers {
			a.mark(to, failing, err)
		}
	}
}

func (a *addresses) ask(ctx context.Context, to *address) error {
	ctx, cancel := context.WithTimeout(ctx, a.health.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.base.String()+"/v2/", http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", InsideAgent)
	if a.minter != nil {
		if token, err := a.minter.Mint(ctx, nil); err == nil { // that there is none is not the address's fault
			req.Header.Set("Authorization", "Bearer "+token)
		}
	}
	resp, err := a.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	discard(resp)
	if resp.StatusCode >= http.StatusInternalServerError {
		return errors.New("GET /v2/ is answered with " + resp.Status)
	}
	return nil
}

// dial connects to an address, and gives one up soon that took no connection before: while all are so, clients wait for it.
func (a *addresses) dial(ctx context.Context, network, at string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: dialPatient, KeepAlive: 30 * time.Second}
	for _, to := range a.list {
		if to.condition() != well && hostPort(to.base) == at {
			dialer.Timeout = dialSick
		}
	}
	return dialer.DialContext(ctx, network, at)
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

// discard reads what is left of a short answer, so that its connection is used again.
func discard(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBytes))
	_ = resp.Body.Close()
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// pause waits, and reports whether it was not for nothing.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
