package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/audit"
	"github.com/sealock/sealock/internal/errs"
	"github.com/sealock/sealock/internal/httpx"
)

// forward lets the upstream answer. A change is on record before the upstream hears of it: when it can't be recorded, it
// does not happen. When the upstream then refuses it, a second record says so. A pull is noted when it has been answered.
func (g *Gate) forward(ctx context.Context, v *visit, sub auth.Subject, out *http.Request, sent manifestSent) error {
	if named := v.namedDigest(); named != "" {
		v.w = &namingWriter{ResponseWriter: v.w, digest: named}
	}
	operation, resource := v.deed()
	switch {
	case v.capped != nil:
		g.passCapped(ctx, v, sub, v.w, out)
		return nil
	case operation == "" || operation == opPull && g.Pulls == nil:
		g.pass(ctx, v, sub, v.w, out, sent)
		return nil
	case operation == opPull:
		w := &statusWriter{ResponseWriter: v.w}
		g.pass(ctx, v, sub, w, out, sent)
		if w.ok() {
			g.Pulls(g.recordOf(v, sub, operation, resource))
		}
		return nil
	}
	r := g.recordOf(v, sub, operation, resource)
	if err := g.Recorder.Record(ctx, r); err != nil {
		return errs.New(errs.Unavailable, "this can't be recorded in the audit trail, and so it is not done").
			WithHint("try again in a moment; the server's log has the cause").Because(err)
	}
	w := &statusWriter{ResponseWriter: v.w}
	g.pass(ctx, v, sub, w, out, sent)
	if !w.ok() {
		r.Time, r.Outcome, r.Reason = g.Now(), audit.Refused, fmt.Sprintf("the registry answered %d", w.status)
		if w.status == 0 || w.status >= http.StatusInternalServerError {
			r.Outcome = audit.Failed
		}
		_ = g.Recorder.Record(context.WithoutCancel(ctx), r) // the client has the registry's answer
	}
	return nil
}

// What the door records of manifests and blobs.
const (
	opPull       = "artifact.pull"
	opPush       = "artifact.push"
	opDelete     = "artifact.delete"
	opDeleteTag  = "tag.delete"
	opDeleteBlob = "blob.delete"
)

// deed returns what the request does and to what, as the audit trail names it; "" for what is not recorded. A pull of an
// image is that of its manifest, and a push is done with its manifest: blobs by themselves are nothing that anybody sees.
func (q Request) deed() (operation, resource string) {
	name := q.Repository + "@" + q.Reference
	if q.tag() != "" {
		name = q.Repository + ":" + q.Reference
	}
	switch {
	case q.Kind == KindBlob && q.Method == http.MethodDelete:
		return opDeleteBlob, "repository:" + name
	case q.Kind != KindManifest:
		return "", ""
	}
	switch q.Method {
	case http.MethodGet:
		return opPull, "artifact:" + name
	case http.MethodPut:
		return opPush, "artifact:" + name
	case http.MethodDelete:
		if q.tag() != "" {
			return opDeleteTag, "tag:" + name
		}
		return opDelete, "artifact:" + name
	}
	return "", ""
}

func (g *Gate) recordOf(v *visit, sub auth.Subject, operation, resource string) audit.Record {
	return audit.Record{
		Time: g.Now(), RequestID: httpx.RequestID(v.w), Actor: sub.Name, Method: "bearer", Remote: g.Trusted.ClientIP(v.r),
		Operation: operation, Resource: resource, Outcome: audit.Allowed, Reason: "the token covers it and the policy still allows it", JTI: v.claims.JTI,
	}
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter

	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK { // what comes before is no answer
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, by which the kernel can send a file.
func (w *statusWriter) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return io.Copy(w.ResponseWriter, r)
}

// Unwrap lets [http.ResponseController] reach what is below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) ok() bool { return w.status >= 200 && w.status < 400 }
