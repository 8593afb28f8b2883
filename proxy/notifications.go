package proxy

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
	"github.com/sealock/sealock/internal/secret"
)

// NotificationsPath is where a stock registry sends its events.
const NotificationsPath = "/service/notifications"

// Follower makes what is known of a registry follow it. An [Observer] is told what happened; a Follower is told where to
// look, because events come late, twice and in any order.
type Follower interface {
	// Follow looks at a tag or a digest, and returns the digest that the registry has, "" for none. at is when it was
	// pushed, zero for now. NotFound, Invalid: it can't be known, whatever is tried again.
	Follow(ctx context.Context, repository, reference string, at time.Time) (digest string, err error)
	// Pulled is told of a manifest that a client got. It returns at once.
	Pulled(repository, tag, digest string)
}

// Notifications is the handler for what a stock registry (2.8 or 3.x) tells of itself. It is for a registry that clients
// reach without the gate.
type Notifications struct {
	Secret     secret.Text // required: who knows it may tell
	Follower   Follower
	CountPulls bool // unless the gate does
	Errors     httpx.Errors
	Now        func() time.Time

	mu   sync.Mutex
	seen map[string]bool // ids of events with pulls that were counted
	old  []string        // those ids, the oldest first
}

// Bounds of what a registry may tell at once, and of the events that are remembered.
const (
	maxEnvelope = 4 << 20
	maxEvents   = 1000
	maxSeen     = 8192
)

// envelope is what a registry sends: of 2.8 (events.v1+json) and of 3.x (events.v2+json).
type envelope struct {
	Events []event `json:"events"`
}

type event struct {
	ID        string    `json:"id"`
	Timestamp time.Time `json:"timestamp"`
	Action    string    `json:"action"`
	Target    struct {
		MediaType  string `json:"mediaType"`
		Digest     string `json:"digest"`
		Repository string `json:"repository"`
		URL        string `json:"url"`
		Tag        string `json:"tag"`
	} `json:"target"`
	Request struct {
		Method    string `json:"method"`
		UserAgent string `json:"useragent"`
	} `json:"request"`
}

// readEvents reads an envelope. The error is of the kind Invalid and says what is wrong.
func readEvents(body []byte) ([]event, error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, badEvents("this is no envelope of a registry's events").Because(err)
	}
	switch {
	case e.Events == nil:
		return nil, badEvents("the envelope has no events")
	case len(e.Events) > maxEvents:
		return nil, badEvents("the envelope has more than %d events", maxEvents)
	}
	return e.Events, nil
}

func badEvents(format string, args ...any) *errs.Error {
	return errs.New(errs.Invalid, format, args...).WithHint("send what a registry 2.8 or 3.x sends to notifications.endpoints")
}

// ignored is an event that nothing came of, and why. The registry would send it again and again after a refusal.
type ignored struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// ServeHTTP takes an envelope. It answers 200 when all of it is noted or can't ever be, and 503 when the registry should
// send it again.
func (n *Notifications) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	told, err := n.take(w, r)
	if err != nil {
		n.Errors.WriteAPI(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct { // a registry that hung up sends it again
		Ignored []ignored `json:"ignored"`
	}{told})
}

func (n *Notifications) take(w http.ResponseWriter, r *http.Request) ([]ignored, error) {
	if !n.admits(r.Header) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="registry notifications"`)
		return nil, errs.New(errs.Unauthenticated, "only the registry may tell of itself").
			WithHint("put what sealock registry-config prints under notifications into the registry's config.yml")
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, errs.New(errs.Invalid, "method %q is not supported here", clip(r.Method)).WithHint("use POST").WithCode("UNSUPPORTED")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEnvelope))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return nil, badEvents("the envelope is longer than %d bytes", maxEnvelope)
	}
	if err != nil {
		return nil, errs.New(errs.Invalid, "the request's body ended early").WithHint("send it again").Because(err)
	}
	events, err := readEvents(body)
	if err != nil {
		return nil, err
	}
	left := []ignored{}
	for _, e := range events {
		err := n.note(r.Context(), e)
		switch {
		case err == nil:
		case errs.Is(err, errs.Invalid), errs.Is(err, errs.NotFound):
			left = append(left, ignored{clip(e.ID), errs.As(err).Public()})
			n.Errors.Log.Info("an event of the registry is ignored", "repository", clip(e.Target.Repository), "error", err)
		default:
			return nil, errs.New(errs.Unavailable, "an event can't be noted now").WithHint("send it again").Because(err)
		}
	}
	return left, nil
}

// admits compares digests, so that not even the length of the secret is told.
func (n *Notifications) admits(h http.Header) bool {
	token, ok := bearer(h)
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(n.Secret.Reveal()))
	return ok && !n.Secret.Empty() && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// note notes one event.
func (n *Notifications) note(ctx context.Context, e event) error {
	t := e.Target
	switch {
	case !auth.ValidRepository(t.Repository):
		return badEvents("repository name %q is not valid", clip(t.Repository))
	case t.Digest != "" && !validDigest(t.Digest):
		return badEvents("digest %q is not valid", clip(t.Digest))
	case t.Tag != "" && !validTag(t.Tag):
		return badEvents("tag %q is not valid", clip(t.Tag))
	}
	switch e.Action {
	case "push":
		if !e.isManifest() {
			return nil
		}
		return n.look(ctx, e, n.pushedAt(e))
	case "delete":
		return n.look(ctx, e, time.Time{}) // of a blob, too: then no manifest has the digest
	case "pull":
		if n.CountPulls && e.isManifest() && e.isPull() && t.Digest != "" && n.first(e.ID) {
			n.Follower.Pulled(t.Repository, t.Tag, t.Digest)
		}
		return nil
	case "mount": // of a blob: what comes of it is told when the manifest is pushed
		return nil
	}
	return badEvents("action %q is not known", clip(e.Action))
}

// look looks at what the event is about: its digest, and its tag.
func (n *Notifications) look(ctx context.Context, e event, at time.Time) error {
	t := e.Target
	if t.Digest == "" && t.Tag == "" {
		return badEvents("the event names neither a digest nor a tag")
	}
	found := ""
	if t.Digest != "" {
		var err error
		if found, err = n.Follower.Follow(ctx, t.Repository, t.Digest, at); err != nil {
			return err
		}
	}
	if t.Tag == "" {
		return nil
	}
	// A registry tells of a push before it moves the tag. A tag that stands for something else after a while was moved
	// again.
	for wait := firstLook; ; wait *= 2 {
		now, err := n.Follower.Follow(ctx, t.Repository, t.Tag, at)
		if err != nil || now == found || e.Action != "push" || found == "" || wait > lastLook {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// How long it is waited for a tag to move: less than a registry waits for its answer.
const (
	firstLook = 25 * time.Millisecond
	lastLook  = 800 * time.Millisecond
)

// isManifest tells manifests from blobs.
func (e event) isManifest() bool {
	return strings.Contains(e.Target.URL, "/manifests/") || knownManifest(e.Target.MediaType) || e.Target.Tag != ""
}

// isPull reports whether a client got the manifest: a look at its headers counts for a registry as well, and so do
// sealock's own looks.
func (e event) isPull() bool {
	return (e.Request.Method == "" || e.Request.Method == http.MethodGet) && !strings.HasPrefix(e.Request.UserAgent, InsideAgent)
}

// pushedAt is when it was pushed, by the registry's clock unless that is ahead.
func (n *Notifications) pushedAt(e event) time.Time {
	if now := n.Now(); e.Timestamp.After(now) || e.Timestamp.Year() < 2000 {
		return now
	}
	return e.Timestamp
}

// first reports whether an event comes for the first time, of those that are remembered.
func (n *Notifications) first(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen[id] {
		return false
	}
	if n.seen == nil {
		n.seen = map[string]bool{}
	}
	if len(n.old) == maxSeen {
		delete(n.seen, n.old[0])
		n.old = n.old[1:]
	}
	n.seen[id], n.old = true, append(n.old, id)
	return true
}
