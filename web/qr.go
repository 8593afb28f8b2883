package web

import (
	"fmt"
	"html/template"
	"strings"

	"rsc.io/qr"

	"github.com/sealock/sealock/internal/secret"
)

// qrCode is a QR code as a path of SVG, in modules: it is drawn by the page itself, so that what it says is in no URL and
// in no cache.
type qrCode struct {
	Size int // with the quiet zone around
	Path template.HTMLAttr
}

const quietZone = 4 // modules (ISO/IEC 18004 section 5.3.8)

func newQRCode(text secret.Text) (qrCode, error) {
	code, err := qr.Encode(text.Reveal(), qr.M)
	if err != nil {
		return qrCode{}, fmt.Errorf("drawing a QR code: %w", err)
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quietZone, y+quietZone, x-from, x-from)
			}
		}
	}
	return qrCode{Size: code.Size + 2*quietZone, Path: template.HTMLAttr(`d="` + path.String() + `"`)}, nil //nolint:gosec // numbers and letters of ours
}
