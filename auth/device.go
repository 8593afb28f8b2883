package auth

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/secret"
)

// Devices signs in devices that have no browser and should know no password (RFC 8628): it hands out codes, lets
// people approve them, and gives each approved one tokens, once. Every decision is recorded before it counts.
type Devices struct {
	issuer *Issuer
	codes  DeviceCodes
	trail  audit.Recorder
	now    func() time.Time
	wrong  wrongCodes
}

// NewDevices returns the device login of a token service.
func NewDevices(issuer *Issuer, codes DeviceCodes) *Devices {
	return &Devices{issuer: issuer, codes: codes, trail: issuer.trail, now: issuer.now, wrong: newWrongCodes()}
}

// DeviceRequest is a device's wish for codes (RFC 8628 section 3.1), parsed.
type DeviceRequest struct {
	ClientID  string
	Service   string
	Scope     Scope
	Remote    string
	RequestID string
}

// DeviceGrant is what a device gets first: what to poll with, and what a person has to type.
type DeviceGrant struct {
	DeviceCode secret.Text
	UserCode   string
	ExpiresIn  time.Duration
	Interval   time.Duration
}

// Request hands out codes. Errors are of the kinds Invalid, TooMany and Unavailable.
func (d *Devices) Request(ctx context.Context, req DeviceRequest) (DeviceGrant, error) {
	o := deviceSecrets().New()
	rec := audit.Record{
		Time: d.now(), RequestID: req.RequestID, Remote: req.Remote, Operation: "device.request",
		Method: "anonymous", Resource: deviceResource + o.ID,
	}
	c, err := d.request(req, o)
	if err != nil {
		return DeviceGrant{}, d.refuse(ctx, rec, err)
	}
	rec.Outcome, rec.Reason = audit.Allowed, "client "+Presented(c.ClientID)+" for "+c.Service
	if err := d.keep(ctx, &c); err != nil {
		return DeviceGrant{}, d.refuse(ctx, rec, err)
	}
	if err := d.record(ctx, rec); err != nil { // a code that nobody was told does no harm
		return DeviceGrant{}, err
	}
	return DeviceGrant{DeviceCode: o.Text, UserCode: FormatUserCode(c.UserCode), ExpiresIn: deviceLife, Interval: c.Interval}, nil
}

func (d *Devices) request(req DeviceRequest, o Opaque) (DeviceCode, error) {
	if req.ClientID == "" || !plain(req.ClientID) {
		return DeviceCode{}, badRequest("the parameter client_id is missing, or holds control characters")
	}
	if _, ok := d.issuer.services[req.Service]; !ok {
		return DeviceCode{}, d.issuer.unknownService(req.Service)
	}
	scope := req.Scope.String()
	if len(scope) > maxRecorded {
		return DeviceCode{}, badRequest("the scope is longer than %d bytes", maxRecorded)
	}
	now := d.now().UTC()
	return DeviceCode{
		ID: o.ID, SecretHash: o.Hash, ClientID: Presented(req.ClientID), Service: req.Service, Scope: scope, Remote: req.Remote,
		Status: DevicePending, Interval: deviceInterval, CreatedAt: now, ExpiresAt: now.Add(deviceLife),
	}, nil
}

// keep stores the code under a user code that no other device has.
func (d *Devices) keep(ctx context.Context, c *DeviceCode) (err error) {
	for range deviceCollisions {
		c.UserCode = newUserCode()
		err = d.codes.CreateDeviceCode(ctx, *c, DeviceLimits{All: deviceAll, PerRemote: devicePerRemote})
		if !errs.Is(err, errs.Conflict) {
			break
		}
	}
	if errs.Is(err, errs.TooMany) {
		tooMany := *errs.As(err)
		tooMany.After = deviceRetry
		return &tooMany
	}
	return err
}

// Waiting returns the device code that a person typed the user code of, for the person to look at. TooMany: the person
// or the address has tried too many wrong ones.
func (d *Devices) Waiting(ctx context.Context, sub Subject, typed, remote string) (DeviceCode, error) {
	if err := mayApprove(sub); err != nil {
		return DeviceCode{}, err
	}
	if d.wrong.tooMany(sub.Name, remote) {
		tooMany := errs.New(errs.TooMany, "too many wrong codes").WithHint("wait ten minutes, then copy the code from the device")
		tooMany.After = wrongCodesMemory
		return DeviceCode{}, tooMany
	}
	c, err := d.waiting(ctx, typed)
	if errs.Is(err, errs.NotFound) {
		d.wrong.add(sub.Name, remote)
	}
	return c, err
}

func (d *Devices) waiting(ctx context.Context, typed string) (DeviceCode, error) {
	code, ok := ParseUserCode(typed)
	if !ok {
		return DeviceCode{}, errUserCode
	}
	c, err := d.codes.DeviceCodeByUserCode(ctx, code)
	switch {
	case errs.Is(err, errs.NotFound):
		return DeviceCode{}, errUserCode
	case err != nil:
		return DeviceCode{}, err
	case c.Status != DevicePending || !d.now().Before(c.ExpiresAt):
		return DeviceCode{}, errUserCode
	}
	return c, nil
}

// DeviceAnswer is what a signed-in person decides about a device.
type DeviceAnswer struct {
	Subject   Subject
	UserCode  string
	Approve   bool
	Remote    string
	RequestID string
}

// Answer approves or denies a device login. The device acts as the person from then on, so that only a person who is
// signed in, and not a credential that may do less or ends, can approve. Errors are of the kinds Denied, NotFound,
// Conflict, TooMany and Unavailable.
func (d *Devices) Answer(ctx context.Context, a DeviceAnswer) error {
	rec := audit.Record{
		Time: d.now(), RequestID: a.RequestID, Remote: a.Remote, Actor: a.Subject.Name, Method: "session",
		Operation: "device.deny", Outcome: audit.Allowed,
	}
	if a.Approve {
		rec.Operation = "device.approve"
	}
	c, err := d.Waiting(ctx, a.Subject, a.UserCode, a.Remote)
	if err != nil {
		return d.refuse(ctx, rec, err)
	}
	rec.Resource, rec.Reason = deviceResource+c.ID, "client "+c.ClientID+" at "+c.Remote+" for "+c.Service
	if err := d.record(ctx, rec); err != nil {
		return err
	}
	_, err = d.codes.UpdateDeviceCode(ctx, c.ID, func(c *DeviceCode) error { return c.answer(a.Subject, a.Approve, d.now()) })
	return err
}

// mayApprove refuses all but people: what is made for them must not give more than they were given.
func mayApprove(sub Subject) error {
	if sub.Anonymous() || sub.Kind != KindUser || sub.Bounds != nil {
		return errs.New(errs.Denied, "only a person who is signed in can approve a device").WithHint("sign in with your own account")
	}
	return nil
}

// Token answers a poll (RFC 8628 section 3.4). While nobody has decided, nothing is recorded.
func (d *Devices) Token(ctx context.Context, req TokenRequest) (TokenAnswer, error) {
	c, err := d.poll(ctx, req)
	switch errs.As(err).Code {
	case errDevicePending.Code, errDeviceSlowDown.Code:
		return TokenAnswer{}, err
	}
	rec := audit.Record{
		Time: d.now(), RequestID: req.RequestID, Remote: req.Remote, Operation: "token", Method: deviceMethod,
		Resource: deviceResource + c.ID, Actor: c.Subject,
	}
	if err != nil {
		return TokenAnswer{}, d.refuse(ctx, rec, err)
	}
	scope, err := ParseScope([]string{c.Scope})
	if err != nil {
		return TokenAnswer{}, d.refuse(ctx, rec, err)
	}
	req.Service, req.Scope, req.ClientID, req.Offline, req.device = c.Service, scope, c.ClientID, true, &c
	return d.issuer.Issue(ctx, req)
}

// poll finds the code that a device polls with, and whether it is approved.
func (d *Devices) poll(ctx context.Context, req TokenRequest) (DeviceCode, error) {
	o, ok := deviceSecrets().Parse(req.DeviceCode)
	if !ok {
		return DeviceCode{}, errDeviceCode
	}
	c, err := d.codes.DeviceCode(ctx, o.ID)
	switch {
	case errs.Is(err, errs.NotFound):
		return DeviceCode{}, errDeviceCode
	case err != nil:
		return DeviceCode{}, err
	case !o.Matches(c.SecretHash), c.ClientID != Presented(req.ClientID), req.Service != "" && req.Service != c.Service:
		return DeviceCode{}, errDeviceCode
	}
	var told error
	c, err = d.codes.UpdateDeviceCode(ctx, o.ID, func(c *DeviceCode) error {
		told = c.poll(d.now())
		return nil
	})
	if err != nil {
		return DeviceCode{}, err
	}
	return c, told
}

// refuse records why not, and returns it.
func (d *Devices) refuse(ctx context.Context, rec audit.Record, err error) error {
	e := errs.As(err)
	rec.Outcome, rec.Reason = audit.Refused, e.Message
	if e.Kind == errs.Internal || e.Kind == errs.Unavailable {
		rec.Outcome = audit.Failed
	}
	if auditErr := d.record(ctx, rec); auditErr != nil {
		return auditErr
	}
	return err
}

func (d *Devices) record(ctx context.Context, rec audit.Record) error {
	if err := d.trail.Record(ctx, rec); err != nil {
		return errs.New(errs.Unavailable, "the decision can't be recorded").WithHint("try again soon").Because(err)
	}
	return nil
}

// approver returns who approved the device, as they are now, or as nobody if they have changed since: a password that
// is changed takes back what was approved with the old one.
func (i *Issuer) approver(ctx context.Context, c DeviceCode) (Subject, error) {
	sub, err := i.holders.Holder(ctx, c.Subject, "")
	if errs.Is(err, errs.Unauthenticated) || err == nil && (sub.ID != c.UserID || !sub.AsOf.Equal(c.UserAsOf)) {
		return Subject{}, errs.New(errs.Invalid, "the account that approved was changed or removed meanwhile").
			WithHint("start again").WithCode("access_denied")
	}
	sub.How = deviceMethod
	return sub, err
}

// wrongCodes counts, for a while, the user codes that do not exist, so that nobody finds one by trying. It is this
// process's alone: with several, 34 bits still outlast what each lets through.
type wrongCodes struct {
	mu    *sync.Mutex
	count *otter.Cache[string, int]
}

func newWrongCodes() wrongCodes {
	return wrongCodes{mu: new(sync.Mutex), count: otter.Must(&otter.Options[string, int]{
		MaximumSize:      10_000,
		ExpiryCalculator: otter.ExpiryWriting[string, int](wrongCodesMemory),
	})}
}

func wrongCodeKeys(user, remote string) (byUser, byRemote string) {
	return "user " + strings.ToLower(user), "address " + remote
}

func (w wrongCodes) tooMany(user, remote string) bool {
	byUser, byRemote := wrongCodeKeys(user, remote)
	n, _ := w.count.GetIfPresent(byUser)
	m, _ := w.count.GetIfPresent(byRemote)
	return n >= wrongCodesPerUser || m >= wrongCodesPerAddr
}

func (w wrongCodes) add(user, remote string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	byUser, byRemote := wrongCodeKeys(user, remote)
	for _, key := range []string{byUser, byRemote} {
		n, _ := w.count.GetIfPresent(key)
		w.count.Set(key, n+1)
	}
}
