// Package load sends one HTTP request over and over on some connections that are kept open, and counts the answers.
//
// It owns the client's side of a measurement. It speaks HTTP/1.1 by itself, with one write and as little parsing as an
// answer needs, so that on a small machine the client takes little from the server that it measures.
package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Plan says what to send.
type Plan struct {
	Addr        string        // host:port
	Request     []byte        // a whole HTTP/1.1 request; the answer to a HEAD has no body
	Others      [][]byte      // if any, what the second connection sends over and over, the third, …, and around
	Connections int           // each sends one request at a time
	Requests    int           // all together, at most
	Limit       time.Duration // no request starts later than this
}

// Result is what came of it.
type Result struct {
	Answers int
	Bytes   int64 // of bodies
	Elapsed time.Duration
	Median  time.Duration // of an answer's time
	P99     time.Duration
}

// Rate is the number of answers in a second.
func (r Result) Rate() float64 { return float64(r.Answers) / r.Elapsed.Seconds() }

// Render writes a request as it goes over the wire.
func Render(r *http.Request) ([]byte, error) {
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		return nil, fmt.Errorf("rendering the request: %w", err)
	}
	return b.Bytes(), nil
}

// Run sends the requests. An answer other than 200 ends it with an error: a refusal is quick and must not count.
func Run(ctx context.Context, p Plan) (Result, error) {
	conns := make([]*connection, p.Connections)
	for i := range conns {
		c, err := dial(ctx, p.Addr)
		if err != nil {
			return Result{}, err
		}
		defer c.Close()
		conns[i] = c
	}
	began := time.Now()
	end := began.Add(p.Limit)
	faults := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		share := p.Requests / len(conns)
		if i < p.Requests%len(conns) {
			share++
		}
		request := p.Request
		if n := i % (1 + len(p.Others)); n > 0 {
			request = p.Others[n-1]
		}
		wg.Go(func() { faults[i] = c.repeat(request, share, end) })
	}
	wg.Wait()
	elapsed := time.Since(began)
	if err := errors.Join(faults...); err != nil {
		return Result{}, err
	}
	return summary(conns, elapsed), nil
}

func summary(conns []*connection, elapsed time.Duration) Result {
	var all []time.Duration
	for _, c := range conns {
		all = append(all, c.times...)
	}
	r := Result{Answers: len(all), Elapsed: elapsed}
	for _, c := range conns {
		r.Bytes += c.bytes
	}
	if len(all) > 0 {
		slices.Sort(all)
		r.Median, r.P99 = all[len(all)/2], all[len(all)*99/100]
	}
	return r
}

// connection is one that is kept open.
type connection struct {
	net.Conn
	r     *bufio.Reader
	times []time.Duration
	bytes int64
	large []byte // what bodies are read into that the reader's buffer is too small for
}

func dial(ctx context.Context, addr string) (*connection, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return &connection{Conn: conn, r: bufio.NewReaderSize(conn, 16<<10)}, nil
}

// repeat sends the request up to n times, one after the other.
func (c *connection) repeat(request []byte, n int, end time.Time) error {
	c.times = make([]time.Duration, 0, min(n, 1<<20))
	head := bytes.HasPrefix(request, []byte("HEAD "))
	for range n {
		began := time.Now()
		if began.After(end) {
			return nil
		}
		if _, err := c.Write(request); err != nil {
			return fmt.Errorf("sending: %w", err)
		}
		if err := c.answer(head); err != nil {
			return err
		}
		c.times = append(c.times, time.Since(began))
	}
	return nil
}

// answer reads one answer, which has to be a 200 with a Content-Length.
func (c *connection) answer(head bool) error {
	status, err := c.r.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("reading the status: %w", err)
	}
	good := bytes.HasPrefix(status, []byte("HTTP/1.1 200 "))
	line := string(bytes.TrimSpace(status))
	length := -1
	for {
		header, err := c.r.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("reading the header: %w", err)
		}
		name, value, ok := bytes.Cut(bytes.TrimSpace(header), []byte(":"))
		if !ok {
			break
		}
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return fmt.Errorf("reading Content-Length: %w", err)
			}
		}
	}
	if length < 0 {
		return fmt.Errorf("answer %q has no Content-Length", line)
	}
	if !good && head {
		return fmt.Errorf("answer %q, want 200", line)
	}
	if !good {
		body := make([]byte, min(length, 500))
		_, _ = io.ReadFull(c.r, body) // what there is of it
		return fmt.Errorf("answer %q, want 200: %s", line, body)
	}
	if head {
		return nil
	}
	c.bytes += int64(length)
	return c.discard(length)
}

// largeRead is how much of a large body is read at once.
const largeRead = 256 << 10

// discard reads a body. What is not in the buffer yet does not go through it.
func (c *connection) discard(length int) error {
	n, err := c.r.Discard(min(length, c.r.Buffered()))
	if length -= n; err == nil && length > 0 && c.large == nil {
		c.large = make([]byte, largeRead)
	}
	for err == nil && length > 0 {
		n, err = c.Read(c.large[:min(length, len(c.large))])
		length -= n
	}
	if err != nil && length > 0 {
		return fmt.Errorf("reading the body: %w", err)
	}
	return nil
}
