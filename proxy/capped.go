package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/sealock/sealock/auth"
	"github.com/sealock/sealock/internal/errs"
)

// cappedBody ends the body of an upload whose length nobody tells where the project has no room for more of it. What comes is
// counted on its way through, and not kept.
type cappedBody struct {
	io.ReadCloser
	left int64
	over atomic.Bool
}

var errOver = errors.New("the project has no room for more")

func (b *cappedBody) Read(p []byte) (int, error) {
	if b.over.Load() {
		return 0, errOver
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // a byte more tells whether there is more
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) <= b.left {
		b.left -= int64(n)
		return n, err
	}
	b.over.Store(true)
	return int(b.left), errOver
}

// capped lets an upload through as far as there is room for it.
type capped struct {
	body *cappedBody
	room Room
	adds int64 // what it has at least when the body is ended
}

// capUpload lets no more of the body through than the project has room for besides what was sent of the upload before.
func (v *visit) capUpload(out *http.Request, room Room, sent int64) {
	left := max(room.Limit-room.Used-sent, 0)
	v.capped = &capped{body: &cappedBody{ReadCloser: out.Body, left: left}, room: room, adds: sent + left + 1}
	out.Body = v.capped.body
}

// passCapped passes the upload on. The registry answers to a body that ended early in its own way, which the client gets the
// reason in place of.
func (g *Gate) passCapped(ctx context.Context, v *visit, sub auth.Subject, answer http.ResponseWriter, out *http.Request) {
	w := &observedWriter{w: answer, fail: func(err error) { g.Errors.WriteRegistry(answer, v.r, err) }}
	w.told = func(int, http.Header) error {
		if !v.capped.body.over.Load() {
			return nil
		}
		return g.denyFull(context.WithoutCancel(ctx), v, sub, v.capped.room, v.capped.adds)
	}
	v.to.Upstream.ServeHTTP(g.passing(v, w), out)
}

// Uploaded returns how many bytes of an upload the registry has. One that it does not know has none.
func (i *Inside) Uploaded(ctx context.Context, repository, id string) (int64, error) {
	what := Request{Kind: KindUpload, Method: http.MethodGet, Repository: repository, Reference: id}
	got, err := i.do(ctx, ownRequest{Request: what}, maxErrorBytes, http.StatusNoContent)
	if errs.Is(err, errs.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	_, last, _ := strings.Cut(got.header.Get("Range"), "-") // "0-99" is a hundred bytes, and "0-0" may be none
	n, err := strconv.ParseInt(last, 10, 64)
	switch {
	case err != nil || n < 0:
		return 0, errUpstream(errors.Join(fmt.Errorf("asking how much of upload %s of %s there is: Range %s", id, repository, clip(got.header.Get("Range"))), err))
	case n == 0:
		return 0, nil
	}
	return n + 1, nil
}
