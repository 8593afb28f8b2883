package web

import (
	"context"
	"net/http"
	"strconv"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
	"github.com/sealock/sealock/project"
)

// SecondFactor are the pages on which people show their second factor after the password, sign in with a passkey alone,
// and add and remove what they have. It is a [Hurdle].
type SecondFactor struct {
	Factors *project.SecondFactors
	Holders auth.Holders
}

// The pages' paths.
const (
	pathFactor       = "/account/second-factor"
	pathFactorSignIn = "/sign-in/second-factor"
	pathPasskey      = "/sign-in/passkey"
	factorHurdle     = "second-factor"
)

// Name is what a session waits for.
func (s SecondFactor) Name() string { return factorHurdle }

// Path is where it is shown.
func (s SecondFactor) Path() string { return pathFactorSignIn }

// Required reports whether the subject has one that it has not shown yet: a passkey that was signed in with is two
// factors at once.
func (s SecondFactor) Required(_ context.Context, sub auth.Subject, method string) (bool, error) {
	return sub.SecondFactor && method != methodPasskey, nil
}

const methodPasskey = "passkey"

// Link is the way to sign in without a password.
func (s SecondFactor) Link() Link { return Link{Title: "a passkey", Path: pathPasskey} }

// Pages are all of it.
func (s SecondFactor) Pages() []Page {
	get := func(path string, serve func(context.Context, *Visit) (Answer, error)) Page {
		return Page{Method: http.MethodGet, Path: path, Serve: serve}
	}
	post := func(path string, serve func(context.Context, *Visit) (Answer, error)) Page {
		return Page{Method: http.MethodPost, Path: path, Serve: serve}
	}
	return []Page{
		{Method: http.MethodGet, Path: pathFactorSignIn, Hurdle: factorHurdle, Serve: s.hurdle},
		{Method: http.MethodPost, Path: pathFactorSignIn, Hurdle: factorHurdle, Serve: s.pass},
		{Method: http.MethodGet, Path: pathPasskey, Open: true, Serve: s.passkeyForm},
		{Method: http.MethodPost, Path: pathPasskey, Open: true, Serve: s.passkeySignIn},
		get(pathFactor, s.overview),
		post(pathFactor+"/unlock", s.unlock),
		post(pathFactor+"/app/begin", s.beginApp),
		get(pathFactor+"/app", s.appForm),
		post(pathFactor+"/app", s.confirmApp),
		post(pathFactor+"/app/remove", s.removeApp),
		get(pathFactor+"/passkey", s.addPasskeyForm),
		post(pathFactor+"/passkey", s.addPasskey),
		post(pathFactor+"/passkey/rename", s.renamePasskey),
		post(pathFactor+"/passkey/remove", s.removePasskey),
		post(pathFactor+"/recovery-codes", s.recoveryCodes),
	}
}

// askView asks for a code or a passkey.
type askView struct {
	CSRF, Next string

	App     bool // there is an app to read a code from
	Action  string
	Passkey *ceremonyView // nil: none can be used here
}

// ceremonyView is what the script gives to the browser.
type ceremonyView struct {
	Options string
	State   string
}

func shownCeremony(c project.Ceremony) *ceremonyView {
	return &ceremonyView{Options: string(c.Options), State: c.State}
}

// ask prepares a question for what the visitor has.
func (s SecondFactor) ask(ctx context.Context, v *Visit, state project.FactorState, action string) (askView, error) {
	view := askView{CSRF: v.formToken(), Next: v.Next(), App: !state.AppSince.IsZero(), Action: action}
	if len(state.Passkeys) == 0 || !s.Factors.PasskeysAt(v.Origin.String()) {
		return view, nil
	}
	c, err := s.Factors.BeginCheck(ctx, v.Caller(), v.Origin.String())
	if err != nil {
		return askView{}, err
	}
	view.Passkey = shownCeremony(c)
	return view, nil
}

// check takes the answer to ask: a passkey's if there is one, else a code. What was shown is remembered for changes.
func (s SecondFactor) check(ctx context.Context, v *Visit) error {
	var proof project.Proof
	var err error
	if answer := v.Form.Get("answer"); answer != "" {
		proof, err = s.Factors.CheckPasskey(ctx, v.Caller(), v.Origin.String(), v.Form.Get("state"), []byte(answer))
	} else {
		proof, err = s.Factors.CheckCode(ctx, v.Caller(), secret.New(v.Form.Get("code")))
	}
	if err == nil {
		v.remember(proof)
	}
	return err
}

const (
	proofCookie = "sealock-proof"
	proofAge    = 5 * 60 // seconds; the proof itself says until when it is good
)

func (v *Visit) remember(p project.Proof) { v.setCookie(proofCookie, string(p), proofAge) }

// proof is what the visitor has shown lately, if anything.
func (v *Visit) proof() project.Proof {
	c, err := v.Request.Cookie(hostCookie(proofCookie, v.secure()))
	if err != nil {
		return ""
	}
	return project.Proof(c.Value)
}

func (s SecondFactor) hurdle(ctx context.Context, v *Visit) (Answer, error) {
	return s.hurdlePage(ctx, v, nil)
}

func (s SecondFactor) hurdlePage(ctx context.Context, v *Visit, problem error) (Answer, error) {
	state, err := s.Factors.State(ctx, v.Caller())
	if err != nil {
		return Answer{}, err
	}
	if !state.On { // it was reset meanwhile
		return v.Passed(ctx, v.Next())
	}
	view, err := s.ask(ctx, v, state, pathFactorSignIn)
	return Answer{Page: "factor-ask", Title: "Second factor", Data: view, Problem: problem}, err
}

// pass lets the session count.
func (s SecondFactor) pass(ctx context.Context, v *Visit) (Answer, error) {
	if err := s.check(ctx, v); err != nil {
		return s.hurdlePage(ctx, v, err)
	}
	return v.Passed(ctx, v.Next())
}

func (s SecondFactor) passkeyForm(_ context.Context, v *Visit) (Answer, error) {
	if v.SignedIn() {
		return Answer{To: v.Next()}, nil
	}
	return s.passkeyPage(v, nil)
}

func (s SecondFactor) passkeyPage(v *Visit, problem error) (Answer, error) {
	c, err := s.Factors.BeginSignIn(v.Origin.String())
	if err != nil {
		return Answer{}, err
	}
	return Answer{Page: "factor-sign-in", Title: "Sign in with a passkey", Data: shownCeremony(c), Problem: problem}, nil
}

func (s SecondFactor) passkeySignIn(ctx context.Context, v *Visit) (Answer, error) {
	name, proof, err := s.Factors.SignIn(ctx, v.Origin.String(), v.Form.Get("state"), []byte(v.Form.Get("answer")))
	if err != nil {
		return s.passkeyPage(v, v.Refuse(ctx, name, methodPasskey, err))
	}
	sub, err := s.Holders.Holder(ctx, name, "")
	if err != nil {
		return s.passkeyPage(v, v.Refuse(ctx, name, methodPasskey, err))
	}
	answer, err := v.Begin(ctx, sub, methodPasskey, v.Next())
	if err == nil {
		v.remember(proof)
	}
	return answer, err
}

// overviewView is the page of what one has.
type overviewView struct {
	project.FactorState
	Locked bool // a factor has to be shown before anything changes
	Ask    askView
	Here   bool // passkeys can be used here
}

func (s SecondFactor) overview(ctx context.Context, v *Visit) (Answer, error) {
	return s.overviewPage(ctx, v, nil)
}

func (s SecondFactor) overviewPage(ctx context.Context, v *Visit, problem error) (Answer, error) {
	state, err := s.Factors.State(ctx, v.Caller())
	if err != nil {
		return Answer{}, err
	}
	view := overviewView{FactorState: state, Here: s.Factors.PasskeysAt(v.Origin.String())}
	if view.Locked = state.On && !s.Factors.Fresh(v.Caller(), v.proof()); view.Locked {
		if view.Ask, err = s.ask(ctx, v, state, pathFactor+"/unlock"); err != nil {
			return Answer{}, err
		}
	}
	return Answer{Page: "factor", Title: "Second factor", Data: view, Problem: problem}, nil
}

// back shows the overview: with what went wrong, or as it is now.
func (s SecondFactor) back(ctx context.Context, v *Visit, err error) (Answer, error) {
	if err != nil {
		return s.overviewPage(ctx, v, err)
	}
	return Answer{To: pathFactor}, nil
}

func (s SecondFactor) unlock(ctx context.Context, v *Visit) (Answer, error) {
	return s.back(ctx, v, s.check(ctx, v))
}

func (s SecondFactor) beginApp(ctx context.Context, v *Visit) (Answer, error) {
	if _, err := s.Factors.BeginApp(ctx, v.Caller(), v.proof(), v.Origin.Host); err != nil {
		return s.back(ctx, v, err)
	}
	return Answer{To: pathFactor + "/app"}, nil
}

// appView is what the app has to know. It is shown to its owner alone, and no more once the app counts.
type appView struct {
	Code   qrCode
	Secret string
	URL    string
}

func (s SecondFactor) appForm(ctx context.Context, v *Visit) (Answer, error) {
	return s.appPage(ctx, v, nil)
}

func (s SecondFactor) appPage(ctx context.Context, v *Visit, problem error) (Answer, error) {
	setup, err := s.Factors.PendingApp(ctx, v.Caller(), v.Origin.Host)
	if errs.Is(err, errs.NotFound) {
		return s.back(ctx, v, nil)
	}
	if err != nil {
		return Answer{}, err
	}
	code, err := newQRCode(setup.URL)
	return Answer{Page: "factor-app", Title: "Add an app", Problem: problem, Data: appView{
		Code: code, Secret: grouped(setup.Secret.Reveal()), URL: setup.URL.Reveal(),
	}}, err
}

// grouped parts a secret into fours, for those who type it in.
func grouped(text string) string {
	var out []byte
	for i := range len(text) {
		if i > 0 && i%4 == 0 {
			out = append(out, ' ')
		}
		out = append(out, text[i])
	}
	return string(out)
}

func (s SecondFactor) confirmApp(ctx context.Context, v *Visit) (Answer, error) {
	codes, proof, err := s.Factors.ConfirmApp(ctx, v.Caller(), secret.New(v.Form.Get("code")), v.Session.ID)
	if err != nil {
		return s.appPage(ctx, v, err)
	}
	return s.added(v, codes, proof)
}

// added goes back, after the recovery codes if there are new ones.
func (s SecondFactor) added(v *Visit, codes []secret.Text, proof project.Proof) (Answer, error) {
	v.remember(proof)
	if len(codes) == 0 {
		return Answer{To: pathFactor}, nil
	}
	return codesPage(codes), nil
}

// codesPage shows recovery codes, once.
func codesPage(codes []secret.Text) Answer {
	shown := make([]string, len(codes))
	for i, c := range codes {
		shown[i] = c.Reveal()
	}
	return Answer{Page: "factor-codes", Title: "Recovery codes", Data: shown}
}

func (s SecondFactor) removeApp(ctx context.Context, v *Visit) (Answer, error) {
	return s.back(ctx, v, s.Factors.RemoveApp(ctx, v.Caller(), v.proof()))
}

func (s SecondFactor) addPasskeyForm(ctx context.Context, v *Visit) (Answer, error) {
	return s.addPasskeyPage(ctx, v, nil)
}

func (s SecondFactor) addPasskeyPage(ctx context.Context, v *Visit, problem error) (Answer, error) {
	c, err := s.Factors.BeginPasskey(ctx, v.Caller(), v.Origin.String())
	if err != nil {
		return s.back(ctx, v, err)
	}
	return Answer{Page: "factor-passkey", Title: "Add a passkey", Data: shownCeremony(c), Problem: problem}, nil
}

func (s SecondFactor) addPasskey(ctx context.Context, v *Visit) (Answer, error) {
	codes, proof, err := s.Factors.AddPasskey(ctx, v.Caller(), v.proof(), project.NewPasskey{
		Origin: v.Origin.String(), Name: v.Form.Get("name"), State: v.Form.Get("state"), Answer: []byte(v.Form.Get("answer")),
	}, v.Session.ID)
	if err != nil {
		return s.addPasskeyPage(ctx, v, err)
	}
	return s.added(v, codes, proof)
}

func (s SecondFactor) renamePasskey(ctx context.Context, v *Visit) (Answer, error) {
	return s.back(ctx, v, s.Factors.RenamePasskey(ctx, v.Caller(), number(v, "id"), v.Form.Get("name")))
}

func (s SecondFactor) removePasskey(ctx context.Context, v *Visit) (Answer, error) {
	return s.back(ctx, v, s.Factors.RemovePasskey(ctx, v.Caller(), v.proof(), number(v, "id")))
}

// number reads a field of a form; 0 for what is none.
func number(v *Visit, field string) int64 {
	n, err := strconv.ParseInt(v.Form.Get(field), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (s SecondFactor) recoveryCodes(ctx context.Context, v *Visit) (Answer, error) {
	codes, err := s.Factors.NewRecoveryCodes(ctx, v.Caller(), v.proof())
	if err != nil {
		return s.back(ctx, v, err)
	}
	return codesPage(codes), nil
}
