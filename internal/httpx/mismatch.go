package httpx

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds for the farewell to a client on the wrong port: enough for any honest request head, too little to be a burden.
const (
	mismatchHead  = 16 << 10
	mismatchDrain = 64 << 10
	mismatchWait  = time.Second
)

// answerTLS answers a ClientHello on the plain port. No name is known: it is inside the handshake.
func answerTLS(c *sniffConn, _ byte) {
	c.farewell("TLS was spoken to a port that serves plain HTTP: use http://, or configure TLS on the server")
}

// answerPlain answers a plain HTTP request on the TLS port and names the URL that would work.
func answerPlain(c *sniffConn, first byte) {
	_ = c.Conn.SetReadDeadline(time.Now().Add(mismatchWait)) // half a head is answered too: without the host
	host := plainHost(io.MultiReader(bytes.NewReader([]byte{first}), io.LimitReader(c.Conn, mismatchHead)))
	c.farewell("plain HTTP was spoken to a port that serves TLS: use https://" + host)
}

// plainHost reads a request's head and returns its Host, or "" if there is none that could stand in a URL.
func plainHost(r io.Reader) string {
	req, err := http.ReadRequest(bufio.NewReaderSize(r, 4<<10))
	if err != nil || strings.ContainsFunc(req.Host, func(c rune) bool { return !hostRune(c) }) {
		return ""
	}
	return req.Host
}

func hostRune(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(".-:[]_", c)
}

// farewell writes a 400 in HTTP/1.1, whatever was spoken, and waits a moment for the client to read it: closing with
// unread input would reset the connection and lose the answer.
func (c *sniffConn) farewell(message string) {
	body, _ := json.Marshal(errorList{[]errorEntry{{Code: "UNSUPPORTED", Message: message}}}) // strings always marshal
	body = append(body, '\n')
	answer := "HTTP/1.1 400 Bad Request\r\n" +
		"Content-Type: application/json\r\n" +
		APIVersionHeader + ": " + APIVersion + "\r\n" +
		"Connection: close\r\n" +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + string(body)
	_ = c.Conn.SetDeadline(time.Now().Add(mismatchWait))
	if _, err := io.WriteString(c.Conn, answer); err != nil {
		return
	}
	if err := c.CloseWrite(); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(c.Conn, mismatchDrain))
}
