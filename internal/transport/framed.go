package transport

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net"
)

// Framed refuses requests that tell the length of their body in two ways: by Content-Length and by Transfer-Encoding. net/http
// believes the latter and says nothing; what is before this server may have believed the former, and then takes a part of a body
// for the next request. So the bytes of a connection are looked at on their way to net/http: where heads begin and end, as it
// sees them. A head that says both has the second of the lines broken in it, so that net/http itself refuses it, with 400, and closes
// the connection. What is not understood here ends the connection: nothing is let through unseen.
func Framed(l net.Listener) net.Listener { return framedListener{l} }

type framedListener struct{ net.Listener }

func (l framedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &framedConn{Conn: c}, nil
}

// framedConn is a connection whose requests are looked at.
type framedConn struct {
	net.Conn
	frames frames
}

var errFraming = errors.New("the request's framing is broken")

func (c *framedConn) Read(p []byte) (int, error) {
	if c.frames.is == inRuins {
		return 0, errFraming
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		if seen := c.frames.see(p[:n]); seen < n {
			return seen, errFraming
		}
	}
	return n, err
}

// ReadFrom lets the kernel send files.
func (c *framedConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite ends what is written, for those who wait for the client to read it.
func (c *framedConn) CloseWrite() error {
	if cw, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return nil
}

// place is where in a request the next byte is.
type place uint8

const (
	beforeRequest place = iota // empty lines may come first
	inRequestLine              //
	atHeader                   // at the beginning of a line
	atHeaderCR                 // after a CR there
	inName                     // of a header
	inValue                    // of one that tells no length
	inLength                   // the value of Content-Length
	inEncoding                 // the value of Transfer-Encoding
	inBody                     // of a known length
	inChunkSize                //
	inChunkExt                 // what follows a size in its line
	afterChunkCR               // the LF of that line
	inChunk                    //
	afterChunk                 // CR
	afterChunkLF               // LF
	atTrailer                  // at the beginning of a line
	atTrailerCR                // after a CR there
	inTrailer                  //
	inTrailerCR                // after a CR there
	inRuins                    // nothing more is let through
)

const (
	lengthName   = "content-length"
	encodingName = "transfer-encoding"
	chunked      = "chunked"
	version      = "HTTP/1.1"
	// What no body and no line is longer than: the limits of net/http are below.
	maxDigits    = 18
	maxHexDigits = 15
)

// frames follows requests as net/http reads them (net/textproto, net/http/internal.chunkedReader). Where the two could
// differ, net/http refuses the request; and when it should and does not, nothing more comes.
type frames struct {
	is       place
	tail     [len(version)]byte // the last bytes of the request line
	name     int                // how much of a header's name there was
	isLength bool               // so far the name is one of these
	isEncod  bool
	folds    bool // a line that goes on would belong to one of them
	length   bool // the head has it
	encoding bool
	refused  bool  // net/http is going to
	digits   int   // of a number, or letters of an encoding
	blank    bool  // after a value: blanks alone may follow
	cr       bool  // after a CR in a value
	left     int64 // of a body or a chunk
}

// see looks at what was read, and breaks what must be refused. It returns how much of it may be let through.
func (f *frames) see(p []byte) int {
	for i := 0; i < len(p); {
		switch f.is {
		case inRuins:
			return i
		case inBody, inChunk:
			n := min(f.left, int64(len(p)-i))
			i += int(n)
			if f.left -= n; f.left == 0 {
				f.is = map[bool]place{true: afterChunk, false: beforeRequest}[f.is == inChunk]
			}
		case inValue, inTrailer:
			i += f.skip(p[i:])
		default:
			f.step(&p[i])
			i++
		}
	}
	return len(p)
}

// skip goes to the end of a line that tells no length.
func (f *frames) skip(p []byte) int {
	n := bytes.IndexByte(p, '\n')
	if f.is == inValue {
		if n < 0 {
			return len(p)
		}
		f.is = atHeader
		return n + 1
	}
	if cr := bytes.IndexByte(p, '\r'); cr >= 0 && (n < 0 || cr < n) {
		f.is = inTrailerCR
		return cr + 1
	}
	if n < 0 {
		return len(p)
	}
	f.is = inRuins // a bare LF, which some take for the end of a line
	return n
}

func (f *frames) step(b *byte) {
	switch f.is {
	case beforeRequest, inRequestLine:
		f.line(*b)
	case atHeader, atHeaderCR, inName:
		f.header(b)
	case inLength, inEncoding:
		f.value(*b)
	case inChunkSize, inChunkExt, afterChunkCR:
		f.size(*b)
	case afterChunk:
		f.expect(*b, '\r', afterChunkLF)
	case afterChunkLF:
		f.expect(*b, '\n', inChunkSize)
	case atTrailer:
		switch *b {
		case '\r':
			f.is = atTrailerCR
		case '\n':
			f.is = inRuins
		default:
			f.is = inTrailer
		}
	case atTrailerCR, inTrailerCR:
		switch {
		case *b == '\n' && f.is == atTrailerCR:
			f.is = beforeRequest
		case *b == '\n':
			f.is = atTrailer
		case *b != '\r':
			f.is = inTrailer
		default:
			f.is = inTrailerCR
		}
	case inValue, inBody, inChunk, inTrailer, inRuins: // not byte by byte
	}
}

func (f *frames) expect(b, want byte, next place) {
	f.is = inRuins
	if b == want {
		f.is = next
		f.digits, f.left = 0, 0
	}
}

// line reads the request line.
func (f *frames) line(b byte) {
	switch {
	case f.is == beforeRequest && (b == '\r' || b == '\n'):
		return
	case f.is == beforeRequest:
		*f = frames{is: inRequestLine}
	case b == '\n':
		f.is = atHeader
		return
	}
	if b != '\r' {
		copy(f.tail[:], f.tail[1:])
		f.tail[len(f.tail)-1] = b
	}
}

// header reads the beginning of a line of the head, up to the value.
func (f *frames) header(b *byte) {
	if f.is != inName {
		switch {
		case *b == '\n':
			f.end()
			return
		case f.is == atHeader && *b == '\r':
			f.is = atHeaderCR
			return
		case f.is == atHeader && (*b == ' ' || *b == '\t'):
			if f.folds { // a value in two lines, which not everybody reads
				*b, f.refused = ':', true
			}
			f.is = inValue
			return
		}
		plain := f.is == atHeader
		f.is, f.name, f.isLength, f.isEncod, f.folds = inName, 0, plain, plain, false
	}
	switch c := *b; c {
	case '\n':
		f.is = atHeader // no header; net/http says so
	case ':':
		f.named(b)
	default:
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		f.isLength = f.isLength && f.name < len(lengthName) && lengthName[f.name] == c
		f.isEncod = f.isEncod && f.name < len(encodingName) && encodingName[f.name] == c
		f.name++
	}
}

// named has read a name. A second word about the length has its colon broken: it is no header then.
func (f *frames) named(colon *byte) {
	isLength, isEncod := f.isLength && f.name == len(lengthName), f.isEncod && f.name == len(encodingName)
	f.is, f.folds = inValue, isLength || isEncod
	if !f.folds {
		return
	}
	switch f.digits, f.blank, f.cr = 0, false, false; {
	case f.length || f.encoding || isEncod && string(f.tail[:]) != version:
		*colon, f.refused = 0, true
	case isLength:
		f.is, f.length = inLength, true
	default:
		f.is, f.encoding = inEncoding, true
	}
}

// value reads what tells the length.
func (f *frames) value(b byte) {
	switch {
	case b == '\n':
		if f.is == inEncoding && f.digits != len(chunked) || f.digits == 0 {
			f.refused = true
		}
		f.is = atHeader
		return
	case f.cr:
		f.refused = true
	case b == '\r':
		f.cr = true
		return
	case b == ' ' || b == '\t':
		f.blank = f.digits > 0
		return
	case f.blank:
		f.refused = true
	case f.is == inEncoding:
		if f.digits >= len(chunked) || b|0x20 != chunked[f.digits] {
			f.refused = true
		}
	case b < '0' || b > '9' || f.digits >= maxDigits:
		f.refused = true
	default:
		f.left = f.left*10 + int64(b-'0')
	}
	f.digits = min(f.digits+1, math.MaxInt16)
}

// end has read a head.
func (f *frames) end() {
	switch {
	case f.refused:
		f.is = inRuins
	case f.encoding:
		f.is, f.digits, f.left = inChunkSize, 0, 0
	case f.length && f.left > 0:
		f.is = inBody
	default:
		f.is = beforeRequest
	}
}

// size reads the line before a chunk.
func (f *frames) size(b byte) {
	switch {
	case f.is == afterChunkCR:
		switch {
		case b != '\n':
			f.is = inRuins
		case f.left == 0:
			f.is = atTrailer
		default:
			f.is = inChunk
		}
	case b == '\n', b == '\r' && f.digits == 0:
		f.is = inRuins
	case b == '\r':
		f.is = afterChunkCR
	case f.is == inChunkExt:
	case (b == ';' || b == ' ' || b == '\t') && f.digits > 0:
		f.is = inChunkExt
	default:
		n, ok := hexDigit(b)
		if !ok || f.digits >= maxHexDigits {
			f.is = inRuins
			return
		}
		f.left = f.left<<4 | n
		f.digits++
	}
}

func hexDigit(b byte) (int64, bool) {
	switch {
	case '0' <= b && b <= '9':
		return int64(b - '0'), true
	case 'a' <= b|0x20 && b|0x20 <= 'f':
		return int64(b|0x20-'a') + 10, true
	}
	return 0, false
}
